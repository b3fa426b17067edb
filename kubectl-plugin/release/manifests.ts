import { dump } from 'js-yaml';
import { archiveName, programName, type Target } from './executables.ts';

/** What the manifests of package managers say of a release. */
export interface Released {
  readonly version: string;
  /** `OWNER/NAME` of the place that the files are downloaded from. */
  readonly repository: string;
  /** SHA-256 of each archive. */
  readonly archives: ReadonlyMap<Target, string>;
}

const address = ({ repository, version }: Released, target: Target) =>
  `https://github.com/${repository}/releases/download/v${version}/${archiveName(target, version)}`;

const SUMMARY = 'Tell what is wrong with the GPUs of a node';

/** For `kubectl krew install`. */
export function krewManifest(released: Released): string {
  const { version, repository, archives } = released;
  return dump(
    {
      apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
      kind: 'Plugin',
      metadata: { name: 'gpu-mcp' },
      spec: {
        version: `v${version}`,
        homepage: `https://github.com/${repository}`,
        shortDescription: SUMMARY,
        description: [
          'Tells what is wrong with the NVIDIA GPUs of a node, worst first, and what',
          'to do. It puts one short-lived debug pod on the node, reads the driver',
          '(NVML), the PCI bus and the kernel log in it, and removes the pod.',
          'An AI client can start it as its MCP server. It only reads.',
          '',
        ].join('\n'),
        caveats:
          'Try it without a cluster: kubectl gpu-mcp triage --simulate lost-gpu\nWhat it needs in a cluster: kubectl gpu-mcp doctor NODE\n',
        platforms: [...archives].map(([target, sha256]) => {
          const [os, arch] = target.split('/');
          return {
            selector: { matchLabels: { os, arch } },
            uri: address(released, target),
            sha256,
            bin: programName(target),
          };
        }),
      },
    },
    { lineWidth: -1 },
  );
}

/** For `brew install`, from a tap. */
export function homebrewFormula(released: Released): string {
  const { version, repository, archives } = released;
  const block = (target: Target) => {
    const cpu = target.endsWith('arm64') ? 'on_arm' : 'on_intel';
    return `    ${cpu} do\n      url "${address(released, target)}"\n      sha256 "${archives.get(target)}"\n    end\n`;
  };
  const system = (word: string, os: string) => {
    const targets = [...archives.keys()].filter(target => target.startsWith(`${os}/`));
    return `  ${word} do\n${targets.map(target => block(target)).join('')}  end\n`;
  };
  return `class KubectlGpuMcp < Formula
  desc "${SUMMARY}"
  homepage "https://github.com/${repository}"
  version "${version}"
  license "Apache-2.0"

${system('on_macos', 'darwin')}
${system('on_linux', 'linux')}
  def install
    bin.install "kubectl-gpu_mcp", "kubectl_complete-gpu_mcp"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kubectl-gpu_mcp version")
  end
end
`;
}
