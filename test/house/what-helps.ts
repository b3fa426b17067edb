/**
 * What to do about an error of which the source gives no try of its own: because its cause decides, or
 * because the place that makes it knows no command. docs/troubleshooting.md has it in the place of the try.
 */
export const WHAT_HELPS: Readonly<Record<string, string>> = {
  // The command line or a file.
  '"FILE" cannot be read': 'ls -l FILE: does it exist, may you read it?',
  '--as-group, --as-uid and --as-user-extra need --as': 'add --as USER, or leave them out',
  '--as-user-extra "PAIR" is not KEY=VALUE': 'write --as-user-extra KEY=VALUE',
  '--insecure-skip-tls-verify and --certificate-authority exclude each other':
    'leave out the first: a certificate authority is there to be checked against',
  '--link and --write exclude each other':
    '--link prints an address to click, --write changes the file: leave out one',
  '"MADE" could not be removed: CAUSE':
    'the file may be cut off: remove it by hand before it is taken for a bundle',
  'TARGET runs on no node': 'kubectl describe TARGET says why none was found for it',
  'bundle "PATH" could not be read: CAUSE': 'ls -l PATH: does it exist, may you read it?',
  'bundle "PATH" could not be written: CAUSE':
    '-f with a file in a folder that you may write and that has room',
  'another program is changing it':
    'two programs write the settings at once: close the client, and run it again',
  'it is not UTF-8 text': 'save the file as UTF-8, or paste what is printed above',
  'it is written in a way that cannot be edited without changing more':
    'paste what is printed above',
  'machine "PATH": [PLACE:] MESSAGE':
    'the message names the place in the file; docs/simulation.md has the form',
  'no bundle has a byte FROM here':
    'the bundle was made anew meanwhile: ask for it from the beginning',
  'nothing was started on WHERE: the user did not agree':
    'ask again and agree, or start the server without --confirm',
  'the bundle holds no reading of the driver': 'capture the node while its driver answers',
  'there is no client "WORD"':
    'kubectl gpu-mcp config --help lists them; generic prints what any other needs',
  'there is no tool "NAME"':
    'tools/list names the tools; after an upgrade a client may still hold the old list: restart it',

  // The cluster.
  '"TEXT" is not the address of an API server':
    'kubectl config view: `server` is https://HOST:PORT',
  'DOING: WORDS': 'the connection broke: is the network up? Run it again',
  'DOING: the watch ends at once':
    'a proxy in between ends long answers: ask its admin, or go around it',
  'PROGRAM does not say its version': 'is it the real one? command -v PROGRAM',
  'PROGRAM version --client fails': 'run that by hand: it says why',
  'an answer without a status line':
    'something other than an API server answers there: a proxy? kubectl get --raw /version',
  'no answer in TIME s':
    'the API server is slow or far: kubectl get --raw /readyz tells; run it again',
  'the API server does not speak attach v5':
    '--transport kubectl, which speaks the older protocols too',
  "the API server's answer is too long":
    'a selector (-l), or one node by its name, makes it shorter',
  'the WHAT FILE cannot be read (CODE)':
    'the kubeconfig names it: does it exist there, may you read it?',
  'the container cannot be attached to: DETAIL':
    'the kubelet or runtime refused: does kubectl attach of any pod of that node work?',
  'the credential plugin "COMMAND" could not run': 'run it by hand: it says why',
  'the kubeconfig FILE is not YAML: LINE':
    'mend that line; kubectl config view reads the same file',
  'the kubeconfig FILE is not a kubeconfig':
    'it has to be a Config with clusters, contexts and users: is it the right file?',
  'the watch ended: MESSAGE':
    'run it again; kubectl get --raw /readyz tells whether the API server is well',
  'there is no PROGRAM on PATH':
    'install it; an AI client starts with a PATH of its own, which config CLIENT --write writes down',

  // The session.
  'MESSAGE, and what was made of it cannot be removed yet':
    'kubectl gpu-mcp clean, when the API server answers again',
  'SENTENCE; pod NAMESPACE/NAME does not start there':
    'mend what the sentence names, then ask again; kubectl gpu-mcp nodes shows what the cluster knows meanwhile',
  'TARGET refused TOOL: PLAIN':
    'the agent says what is wrong with the question; the tool’s schema says what it takes',
  'it is larger than 4 MiB': 'is it a machine file, and no bundle? --from reads bundles',
  'it is not a file': 'a folder or device was named: name a file',
  'job NAMESPACE/NAME has made no pod in 4 s':
    'kubectl describe job says why; --lifetime pod does without a Job',
  'no answer in time; its turn had not come': 'name fewer nodes at once, or ask again',
  'no answer in time; last heard: LAST': 'the node’s session starts on: ask again in a moment',
  'no permission': 'ls -l: the file is not yours to read',
  'the agent AGENT-FILE could not be started':
    'is the installation whole? npm install it again, or take the executable',
  'the agent on TARGET sent a bundle that does not fit':
    'is it the image of this plugin? kubectl gpu-mcp doctor NODE',
  'the agent on TARGET sent a look that does not fit':
    'is it the image of this plugin? kubectl gpu-mcp doctor NODE',
  'the agent on TARGET sent an answer to NAME that does not fit':
    'is it the image of this plugin? kubectl gpu-mcp doctor NODE',
  'the node has no directory PATH':
    'only --profile mounted needs it: leave the flag out, and nothing is mounted',
  'the pods of these nodes are being removed': 'the server is ending: start it again',
  'the session with TARGET is closed':
    'it was ended from this side: the next call starts a new one',
  'there is no such file': 'ls: is the path right? It counts from where the command runs',
};
