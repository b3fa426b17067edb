import {
  Agent,
  MCPServerStdio,
  MCPServerStreamableHttp,
  mcpToFunctionTool,
  RunContext,
} from '@openai/agents';

export async function open({ command, args, env, url, headers }) {
  const server = url
    ? new MCPServerStreamableHttp({ url, requestInit: { headers }, name: 'gpu' })
    : new MCPServerStdio({ command, args, env, name: 'gpu' });
  await server.connect();
  const listed = await server.listTools();
  const agent = new Agent({ name: 'agent', mcpServers: [server] });
  return {
    hasProgress: false,
    cancels: true,
    list: async () => listed.map(({ name }) => name),
    async call(name, given, { signal }) {
      const found = listed.find(tool => tool.name === name);
      if (found === undefined) {
        return { model: await server.callTool(name, given), isError: false };
      }
      // Strict, as the model is given it: every argument is required, null where there is none.
      const tool = mcpToFunctionTool(found, server, true);
      const wanted = tool.strict ? Object.keys(tool.parameters.properties ?? {}) : [];
      const all = { ...Object.fromEntries(wanted.map(key => [key, null])), ...given };
      const details = signal ? { signal } : undefined;
      const model = await tool.invoke(new RunContext({ agent }), JSON.stringify(all), details);
      return { model, isError: false };
    },
    close: () => server.close(),
  };
}
