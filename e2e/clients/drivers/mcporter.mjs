import { createRuntime } from 'mcporter';

export async function open({ command, args, env, url, headers }) {
  const definition = url
    ? { name: 'gpu', command: { kind: 'http', url: new URL(url), headers } }
    : { name: 'gpu', command: { kind: 'stdio', command, args, cwd: '/' }, env };
  const runtime = await createRuntime({ servers: [definition] });
  return {
    hasProgress: false,
    cancels: false,
    list: async () => (await runtime.listTools('gpu')).map(({ name }) => name),
    async call(name, given) {
      const model = await runtime.callTool('gpu', name, { args: given });
      return { model, isError: model?.isError === true };
    },
    close: () => runtime.close(),
  };
}
