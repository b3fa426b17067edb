import { createMCPClient } from '@ai-sdk/mcp';
import { Experimental_StdioMCPTransport as StdioMCPTransport } from '@ai-sdk/mcp/mcp-stdio';

export async function open({ command, args, env, url, headers }) {
  const client = await createMCPClient({
    transport: url
      ? { type: 'http', url, headers }
      : new StdioMCPTransport({ command, args, env, stderr: 'ignore' }),
  });
  const tools = await client.tools();
  return {
    hasProgress: false,
    cancels: true,
    list: async () => Object.keys(tools),
    async call(name, given, { signal }) {
      const tool = tools[name];
      const options = { toolCallId: 'call', messages: [], abortSignal: signal };
      // What is no tool of the set is refused by the SDK's loop before the server hears of it.
      if (tool === undefined) return client.callTool({ name, arguments: given }).then(asModel);
      const output = await tool.execute(given, options);
      const shown = tool.toModelOutput?.({ output, toolCallId: 'call', input: given }) ?? output;
      return { model: await shown, isError: output.isError === true };
    },
    close: () => client.close(),
  };
}

const asModel = result => ({ model: result, isError: result.isError === true });
