import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '@sojourn/redis-servers'

const run = promisify(execFile)
const self = '127.0.0.1'

/** A real nginx that ends TLS, with a certificate of its own. */
export class Nginx {
  readonly url: string
  /** The certificate that its clients have to trust. */
  readonly certificate: string
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(url: string, certificate: string, folder: string, child: ChildProcess) {
    this.url = url
    this.certificate = certificate
    this.#folder = folder
    this.#process = child
  }

  /**
   * @param ports of the servers behind it, which answer in turn
   * @param directives of the location, such as `proxy_set_header X-Forwarded-Proto $scheme;`
   */
  static async start(ports: readonly number[], directives: string): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'sojourn-nginx-'))
    const port = await freePort()
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const subject = ['-subj', `/CN=${self}`, '-addext', `subjectAltName=IP:${self}`]
    const kind = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    await run('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', certificate])
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const configuration = `
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off;
        ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n')}
        upstream workers { ${ports.map(each => `server ${self}:${each};`).join(' ')} }
        server {
          listen ${self}:${port} ssl;
          ssl_certificate ${certificate}; ssl_certificate_key ${key};
          location / { proxy_pass http://workers; ${directives} }
        }
      }`
    await writeFile(join(folder, 'nginx.conf'), configuration)
    const env = { ...process.env, PATH: [process.env.PATH, '/usr/sbin'].join(delimiter) }
    const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {
      env,
      stdio: 'inherit',
    })
    const nginx = new Nginx(`https://${self}:${port}`, await readFile(certificate, 'utf8'), folder, child)
    for (let tries = 0; !(await listens(port)); tries++) {
      if (tries > 250 || child.exitCode !== null) throw new Error('nginx did not start')
      await sleep(20)
    }
    return nginx
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM')
    await once(this.#process, 'exit')
    await rm(this.#folder, { recursive: true })
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, self)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
