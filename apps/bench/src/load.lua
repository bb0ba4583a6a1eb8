-- For wrk: GETs one path with the cookies of a file, a line each, in turn; prints what came of it as JSON.
-- Arguments: the path, the file.
local requests, at = {}, 0

function init(args)
  for cookie in io.lines(args[2]) do
    local headers = {}
    if cookie ~= '' then headers['Cookie'] = cookie end
    requests[#requests + 1] = wrk.format('GET', args[1], headers)
  end
  if #requests == 0 then requests[1] = wrk.format('GET', args[1]) end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format('{"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p99":%f}\n',
    summary.requests, summary.duration / 1e6, failed + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
