import { MultiServerMCPClient } from '@langchain/mcp-adapters';

export async function open(server) {
  const { command, args, env, url, headers } = server;
  const gpu = url
    ? { transport: 'http', url, headers }
    : { transport: 'stdio', command, args, env, stderr: 'ignore' };
  const client = new MultiServerMCPClient({
    mcpServers: { gpu },
    prefixToolNameWithServerName: false,
  });
  const tools = await client.getTools();
  return {
    hasProgress: false,
    cancels: true,
    list: async () => tools.map(({ name }) => name),
    async call(name, given, { signal }) {
      const tool = tools.find(other => other.name === name);
      if (tool === undefined) throw new Error(`there is no tool ${name}`);
      return { model: await tool.invoke(given, { signal }), isError: false };
    },
    close: () => client.close(),
  };
}
