/**
 * What each command is called and does, in a line: all that the page of all commands and completion say
 * of it, so that they need not load it. In the order of that page.
 */
export const SUMMARIES = {
  serve: {
    command: '$0 [target..]',
    description: 'MCP server on stdin/stdout, for these nodes or any: what an AI client starts',
  },
  triage: {
    command: 'triage [target..]',
    description: 'Says what is wrong with a node or a job, worst first, and what to do',
  },
  call: {
    command: 'call <words..>',
    description: 'Calls one tool: call TARGET TOOL [--KEY VALUE | --input JSON]',
  },
  top: {
    command: 'top [target..]',
    description: 'Shows GPUs, processes, links and new kernel events as they are now, live',
  },
  tools: {
    command: 'tools',
    description: 'Lists what can be asked of a node',
  },
  nodes: {
    command: 'nodes',
    description: 'Lists the nodes with GPUs and what the cluster says of them (no pod)',
  },
  doctor: {
    command: 'doctor [target]',
    description: 'Checks all that a session needs, and says how to repair what it lacks (no pod)',
  },
  explain: {
    command: 'explain <words..>',
    description: 'Says what an XID, SXid or kernel line means and what to do (no cluster, no node)',
  },
  analyze: {
    command: 'analyze <file>',
    description: 'Finds events and incidents in a kernel log: a file, a directory, or - for stdin',
  },
  capture: {
    command: 'capture [target..]',
    description:
      'Writes what can be read of a node now to a file: its tools answer from that later',
  },
  diff: {
    command: 'diff <before> [after]',
    description: 'Says what changed on a node: two bundles, or a bundle and the node as it is now',
  },
  manifest: {
    command: 'manifest <kind> [node]',
    description:
      'Prints what would be created (pod NODE), or what an admin prepares (namespace, rbac, policy)',
  },
  'verify-record': {
    command: 'verify-record <file>',
    description:
      'Says whether what --record wrote is whole: no line changed, removed, moved or cut',
  },
  clean: {
    command: 'clean [names..]',
    description:
      'Removes pods and Jobs that your earlier sessions left, and lists those still running and others’',
  },
  config: {
    command: 'config <client> [target..]',
    description: 'Prints what an AI client needs to start the server, or writes it (--write)',
  },
  completion: {
    command: 'completion <shell>',
    description: "Prints a shell's completion script; behind kubectl its own completion does it",
  },
  options: {
    command: 'options',
    description: 'Lists the flags that all commands about nodes take',
  },
  version: {
    command: 'version',
    description: 'Prints the version of plugin and agent, and the editions of its catalogues',
  },
} as const;
