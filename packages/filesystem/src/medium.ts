/** What `statfs` calls them. */
const kinds: Readonly<Record<number, string>> = {
  16914836: 'memory (tmpfs)',
  2240043254: 'memory (ramfs)',
  26985: 'network (NFS)',
  4283649346: 'network (CIFS)',
  4266872130: 'network (SMB2)',
  16914839: 'network (9P)',
  1702057286: 'FUSE',
}

/** Where a file system keeps its files, by its type. */
export function mediumOf(type: number): string {
  return process.platform === 'linux' ? (kinds[type] ?? 'disk') : 'disk'
}
