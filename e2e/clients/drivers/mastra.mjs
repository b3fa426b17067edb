import { MCPClient } from '@mastra/mcp';

export async function open({ command, args, env, url, headers }) {
  const gpu = url
    ? { url: new URL(url), requestInit: { headers } }
    : { command, args, env, stderr: 'ignore' };
  const client = new MCPClient({ id: 'matrix', servers: { gpu } });
  const tools = (await client.listToolsets())['gpu'];
  return {
    hasProgress: false,
    cancels: true,
    list: async () => Object.keys(tools),
    async call(name, given, { signal }) {
      const tool = tools[name];
      if (tool === undefined) throw new Error(`there is no tool ${name}`);
      const model = await tool.execute(given, { abortSignal: signal });
      return { model, isError: model?.isError === true || model?.error === true };
    },
    close: () => client.disconnect(),
  };
}
