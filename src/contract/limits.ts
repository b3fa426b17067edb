/**
 * Every limit of the product, once. Units go last; bounds end in MAX.
 */

/** A pod that does not run by then is given up and removed. */
export const POD_START_MS_MAX = 120_000;
/** A pod that starts well needs no events: they are asked for when it has not run by then. */
export const POD_EVENTS_AFTER_MS = 600;
export const POD_EVENTS_AMONG_MANY_MS = 3_000;
/** A Job without a pod by then is given up for a bare pod: its controller backs off for up to 45 s. */
export const JOB_POD_MS_MAX = 4_000;
/** A pod that no kubelet has taken note of: how often its node's lease is looked at. */
export const KUBELET_LOOK_MS = 2_000;
/** A watch of the pod may fall silent without an end: how often whoever waits looks beside it. */
export const POD_LOOK_AGAIN_MS = 5_000;
/** A start does without the user's name where the API server has not told it by then. */
export const WHO_AM_I_MS_MAX = 5_000;
/** How long leaving events may take, that of all nodes of an answer: the answer stands, and the command is to end. */
export const NODE_EVENTS_MS_MAX = 30_000;
/** A lease that is so much later than it is renewed is late: dates are to a second, the network takes its time. */
export const LEASE_LATE_MS = 3_000;
/** Who is silent must be known by then. */
export const SILENCE_LOOK_MS_MAX = 3_500;
/** How often we look at a pod that we wait for. */
export const POD_LOOK_MS = 100;
/** How long we look for the container's end after the stream's. */
export const POD_END_MS_MAX = 2_500;
/** The same of a pod that goes, beside a watch that tells sooner. */
export const POD_GONE_LOOK_MS = 500;
/** How long a close waits to see the pod gone. */
export const POD_GONE_MS_MAX = 10_000;
/** What a clean-up may take before it goes on beside us; each try of it, and the wait between two. */
export const REMOVE_MS_MAX = 4_000;
export const REMOVE_TRY_MS_MAX = 1_500;
export const REMOVE_RETRY_MS = 300;
/** The same for the sweep of earlier sessions' leftovers, beside a start. */
export const SWEEP_MS_MAX = 10_000;
/** The kubelet ends the pod after this long, whatever happened to us. */
export const POD_LIFE_SECONDS = 3_600;
/** A finished Job is removed by the cluster this long after its end: at once. */
export const JOB_TTL_SECONDS = 0;
/** A pod that answers once and ends: the kubelet ends it after this long, where its agent does not. */
export const ROW_POD_SECONDS = 120;
/** What owns such pods is removed this long after it was made, and they with it. */
export const ROW_OWNER_TTL_SECONDS = 900;
/** How many of them are waited for at a time, where nothing else is said: each takes 2 to 3 s, and 50 a second can be made. */
export const ROWS_AT_ONCE = 100;
/** The others wait so long for the first, whose refusal would be theirs. */
export const FIRST_ROW_POD_MS_MAX = 5_000;
/** Pods whose rows are read are removed so many in one request: an API server removes some 100 a second. */
export const ROWS_REMOVED_AT_ONCE = 50;
/** A pod that no kubelet has taken note of by then: who is silent is looked for, once. */
export const ROW_SILENCE_MS = 12_000;
/** A kubelet keeps so much of a container's last words: pkg/kubelet/kuberuntime, MaxContainerTerminationMessageLength. */
export const TERMINATION_MESSAGE_BYTES_MAX = 4_096;
/** A pod of others keeps the entry of every container that we add: more than these of ours are not added. */
export const OWN_CONTAINERS_MAX = 20;
/** How long the end of a container in another's pod is waited for: no deletion speeds it up. */
export const CONTAINER_END_MS_MAX = 10_000;
/** Grace between SIGTERM and SIGKILL for the agent. */
export const POD_GRACE_SECONDS = 1;

/** After our end: the pod's own clean end is given this long before the reaper deletes it. */
export const REAP_AFTER_MS = 1_000;
/** How long, and how often, the reaper tries: a laptop that wakes up, a VPN that comes back. */
export const REAP_MS_MAX = 300_000;
export const REAP_RETRY_MS = 3_000;
/** How long a create that the API server gave up may still be done behind its answer; below REAP_RETRY_MS. */
export const LATE_CREATE_MS = 2_500;
/** What one round of its deletions may take, and how many of them go at once. */
export const REAP_ROUND_MS_MAX = 5_000;
export const REAP_AT_ONCE = 16;

/** An API request without an answer by then has failed; --request-timeout says otherwise. */
export const API_REQUEST_MS_MAX = 30_000;
/** A connection is kept so long without a word: proxies drop silent ones, and tell nobody. */
export const API_KEPT_MS = 5_000;
/** A list of many pages without an end by then has none. */
export const LIST_MS_MAX = 60_000;
/** An API server that is busy is asked again so often, after what it says or twice as long each time. */
export const API_RETRIES_MAX = 5;
export const API_RETRY_MS = 250;
export const API_RETRY_MS_MAX = 10_000;
/** One client's requests: so many at once, then so many a second (kubectl's discovery: 300 and 50). */
export const API_REQUESTS_AT_ONCE = 300;
export const API_REQUESTS_PER_SECOND = 50;
/** A watch that many sessions share stays open so long after the last listened: their ends are seen by it. */
export const SHARED_WATCH_MS = 15_000;
/** Of many nodes, what a start read of its node is shown beside its answer: so long, and once. */
export const NODE_KEPT_MS = 15_000;
/** What an AI client is told: how long our start and one of our answers may take, a pod's start with it. */
export const CLIENT_START_MS_MAX = 60_000;
export const CLIENT_ANSWER_MS_MAX = 180_000;
/** A shell waits so long for the words that it offers. */
export const COMPLETION_MS_MAX = 2_000;
/** A credential plugin may wait for a person at a browser. */
export const CREDENTIAL_PLUGIN_MS_MAX = 120_000;
/** A token file is read again after this long, as client-go does. */
export const TOKEN_FILE_MS_MAX = 60_000;
/** How often we ask where `watch` is not allowed. */
export const WATCH_POLL_MS = 500;
/** A watch that broke is opened again so often in a row, and no later than this each time. */
export const WATCH_REOPENS_MAX = 40;
export const WATCH_REOPEN_MS_MAX = 2_000;

/** A file of proc or sysfs that does not answer by then belongs to a driver that hangs. */
export const FILE_READ_MS_MAX = 1_000;
/** The kubelet answers from memory; what takes longer is a kubelet in trouble. */
export const POD_RESOURCES_MS_MAX = 2_000;

/** One request to the driver, all of its readings together. */
export const NVML_REQUEST_MS_MAX = 5_000;
/** Parts of the kernel log that begin this near to each other are one. */
export const SAME_WINDOW_MS = 1_000;
/** How old an answer on the InfoROM may be: reading the flash takes long, and it goes bad in a session too. */
export const INFOROM_KEPT_MS = 600_000;
/** Without an answer to one call for this long, the child that hosts NVML is abandoned. */
export const NVML_STALL_MS_MAX = 2_000;
/** The same for a call that opens a GPU: the driver initialises it, 1-3 s where no one holds it open. */
export const NVML_OPEN_STALL_MS_MAX = 4_000;
/** Such a child is not killed before: it would take with it what the driver has begun. */
export const NVML_OPEN_MS_MAX = 30_000;
/** A call that hung is not made again for so long: who asks next is answered at once. */
export const NVML_HANG_KEPT_MS = 30_000;
/** Children alive at one time, with those that hang in the kernel and cannot be killed. */
export const NVML_CHILDREN_MAX = 4;
/** Children started for one request: each after one that hung or died. */
export const NVML_STARTS_MAX = 6;
/** Hardware error records: room for some at first, for all that are taken, in so many calls; how many are told. */
export const ERROR_RECORDS_BYTES = 16 * 1024;
export const ERROR_RECORDS_BYTES_MAX = 256 * 1024;
export const ERROR_RECORD_CALLS_MAX = 16;
export const ERROR_RECORDS_MAX = 32;
export const ERROR_RECORD_SECTIONS_MAX = 4;
/** nvml.h: samples of GPM should be further apart than this, for the GPU renews them no faster. */
export const GPM_STEP_MS_MIN = 100;
/** How often a simulated child that hangs looks whether its parent is still there. */
export const SIMULATED_HANG_LOOK_MS = 200;
/** The longest that a call of a simulated driver may be delayed: far beyond every limit of ours. */
export const SIMULATED_DELAY_MS_MAX = 600_000;
/** A machine's file; what is larger nobody wrote by hand. */
export const MACHINE_BYTES_MAX = 4 * 1024 * 1024;
/** How long children that answer may take to shut NVML down at the end. */
export const NVML_CLOSE_MS_MAX = 500;

/** A line of MCP from the client; longer ones are refused with -32600 and the stream goes on. */
export const CLIENT_LINE_BYTES_MAX = 4 * 1024 * 1024;
/** A line of MCP from the agent. Clients drop the connection at 10 MiB. */
export const AGENT_LINE_BYTES_MAX = 8 * 1024 * 1024;
/** The serialized structure of one answer; longer lists are cut and say so. */
export const ANSWER_BYTES_MAX = 256 * 1024;

/** How long answers in the making are waited for after the end of the input. */
export const MCP_END_MS_MAX = 200;

/** A container that is being started is tried so often before the kubelet reports that it runs. */
export const ATTACH_EARLY_MS = 50;
export const ATTACH_EARLY_TRIES_MAX = 20;
/** A kubelet's refusal of an attach that its API server called open has come by then. */
export const ATTACH_REFUSED_MS = 1_000;
/** The API server has accepted or refused an attach by then. */
export const ATTACH_HANDSHAKE_MS_MAX = 30_000;
/** Attach frames: the API server misreads fragmented messages above 32 KiB. */
export const ATTACH_FRAME_BYTES_MAX = 32 * 1024;
/** --no-image: what of an archive is no layer is small. */
export const ARCHIVE_JSON_BYTES_MAX = 1024 * 1024;
/** The agent is sent in such pieces; each, and each answer of the shell that takes it, has its time. */
export const CARRY_STEP_BYTES = 256 * 1024;
export const CARRY_ANSWER_MS_MAX = 60_000;
export const CARRY_LINE_BYTES_MAX = 4_096;
/** How often its progress is told. */
export const CARRY_TOLD_MS = 1_000;
/** The shell ends itself without a first byte by then, and later once nothing has come for as long as the other. */
export const CARRY_FIRST_BYTE_SECONDS = 20;
export const CARRY_SILENCE_SECONDS = 120;
/** Load balancers cut silent streams after 60 s at the earliest. */
export const ATTACH_PING_MS = 15_000;
/** The API server stops answering pings while the container does not read: be generous. */
export const ATTACH_PONG_MS_MAX = 60_000;
/** While this much waits to be sent, the source is paused. */
export const ATTACH_BUFFER_BYTES_MAX = 1024 * 1024;

/** How long the agent may take from its first byte to its answer to `initialize`. */
export const AGENT_INITIALIZE_MS_MAX = 20_000;
/** One that has said nothing by then is looked at by its log, and named where that shows no agent of ours. */
export const AGENT_SILENT_MS = 7_000;
export const AGENT_LOG_MS_MAX = 2_000;
/** The same for a program whose first line is no message. */
export const AGENT_FOREIGN_MS = 3_000;
/** A local agent ends by itself when its input does; later than this it is killed. */
export const AGENT_EXIT_MS_MAX = 1_000;
/** The bridge pings the agent this often; the agent ends itself after AGENT_IDLE_MS_MAX without a byte. */
export const AGENT_PING_MS = 20_000;
export const AGENT_IDLE_MS_MAX = 120_000;
/** The same before the first byte: whoever started it is dead, or never attached. */
export const AGENT_FIRST_BYTE_MS_MAX = 8_000;
/** While a call waits the agent is pinged after so long without a word, and must have said something by then. */
export const CALL_PING_AFTER_MS = 3_000;
export const CALL_PONG_MS_MAX = 8_000;
/** What an agent read at its start for the first question is as old as this at most when it answers. */
export const READ_AHEAD_MS_MAX = 5_000;
/** A first question that is longer is not told at the start. */
export const FIRST_QUESTION_CHARACTERS_MAX = 1_024;
/** How long a tool may take before the bridge answers for it. */
export const TOOL_CALL_MS_MAX = 50_000;

/** The doctor waits so long for a login, and for any one answer; what asks for many asks so many at a time. */
export const DOCTOR_LOGIN_MS_MAX = 15_000;
export const DOCTOR_ANSWER_MS_MAX = 4_000;
export const DOCTOR_RIGHTS_AT_ONCE = 5;
/** Two clocks that are so far apart are told: dates are to a second, and the answer takes its time. */
export const CLOCK_SKEW_MS_MAX = 5_000;

/** How many nodes are asked at the same time where nothing else is said. */
export const NODES_AT_ONCE = 16;
/** Of many nodes each has so long from the beginning of its turn, the start of its pod included. */
export const NODE_ANSWER_MS_MAX = 40_000;
/** Clients give up a call after a minute: by now what has come is the answer, with who is still awaited. */
export const PARTIAL_ANSWER_MS = 44_000;

/** One question for a node's clock; how often it is asked, for the shortest round trip of several. */
export const CLOCK_ANSWER_MS_MAX = 2_000;
export const CLOCK_ROUNDS_MAX = 5;

/** A server of a whole cluster ends a node's pod when nothing was asked of it for that long. */
export const NODE_IDLE_MS = 300_000;
/** The nodes that such a server has pods on at a time. */
export const NODES_OPEN_MAX = 16;

/** A live view asks a node so often; at least and at most so far apart. */
export const GLANCE_MS = 500;
export const GLANCE_MS_MAX = 3_600_000;
/** What of a glance may be so old: whose processes they are, links and counters, the kernel's ring buffer. */
export const GLANCE_OWNERS_MS = 5_000;
export const GLANCE_COUNTERS_MS = 2_000;
export const GLANCE_LOG_MS = 2_000;
/** And what hardly changes: names, limits, what is on the PCI bus. */
export const GLANCE_WHOLE_MS = 30_000;
/** A node of a live view that could not be read is tried again so much later. */
export const GLANCE_RETRY_MS = 15_000;
/** A node that is silent for so long is said to be. */
export const GLANCE_LATE_MS = 1_000;
/** More nodes than these are no view, and pods on all of them are many. */
export const GLANCE_NODES_MAX = 16;
/** `triage --watch` asks a node no sooner again: a triage of a sick one takes two seconds. */
export const TRIAGE_WATCH_MS_MIN = 2_000;

/** A person is asked whether a pod may be started, and may be away. */
export const CONFIRM_MS_MAX = 120_000;

/** A client that keeps a list of ours (2026-07-28) may do so for this long: none changes before our end. */
export const LISTS_KEPT_MS = 300_000;

/** Of a server over HTTP: sessions kept (who asked longest ago goes), connections, time for a request to arrive. */
export const HTTP_SESSIONS_MAX = 64;
export const HTTP_CONNECTIONS_MAX = 256;
export const HTTP_REQUEST_MS_MAX = 30_000;

/** The longest line of a record, and of a call's arguments in it: what is longer is its hash alone. */
export const RECORD_LINE_BYTES_MAX = 512 * 1024;
export const RECORD_INPUT_BYTES_MAX = 64 * 1024;
/** So long a record waits to learn whose pod runs which image. */
export const RECORD_POD_MS_MAX = 3_000;

/** Snapshots that a server keeps for its client, packed; the oldest make room. */
export const SNAPSHOTS_KEPT_MAX = 16;
export const SNAPSHOTS_BYTES_MAX = 64 * 1024 * 1024;
/** Text that a client pastes for analysis. */
export const PASTED_CHARACTERS_MAX = 1_000_000;

/** A wait that is longer is shown on a terminal, and how often its line moves. */
export const WAIT_SHOWN_AFTER_MS = 500;
export const WAIT_TICK_MS = 125;
/** How often the agent tells how far it is with the driver, where that takes so long. */
export const READING_TOLD_MS = 500;

/** At its end a command waits this long to see the pod gone; the cluster or the reaper does the rest. */
export const SHUTDOWN_MS_MAX = 5_000;
/** What the cluster knows of a node is read beside the agent's answer; later than this it is left out. */
export const CLUSTER_VIEW_MS_MAX = 10_000;
/** So long one list of the whole cluster serves the nodes of a fleet, which are asked one after another. */
export const SHARED_LIST_MS = 10_000;
/** How long triage lets counters move before it reads them again, where the first reading asks for it. */
export const SECOND_LOOK_MS = 1_500;
/** The longest window that a telemetry sample may take: well below TOOL_CALL_MS_MAX. */
export const SAMPLE_MS_MAX = 10_000;

/** A bundle as a file, and unpacked; what is larger was not written by us. */
export const BUNDLE_BYTES_MAX = 32 * 1024 * 1024;
export const BUNDLE_TEXT_BYTES_MAX = 128 * 1024 * 1024;
/** A part of a bundle in one message of the agent, before base64. */
export const BUNDLE_PART_BYTES_MAX = 512 * 1024;
/** The longest time between the two readings of the driver that a bundle holds. */
export const CAPTURE_SECONDS_MAX = SAMPLE_MS_MAX / 1_000;

/** Of a container that failed: its last lines, and so many bytes of them. */
export const JOB_LOG_LINES_MAX = 5_000;
export const JOB_LOG_BYTES_MAX = 4 * 1024 * 1024;
/** The same for other pods of its job, and how many of them are read. */
export const PEER_LOG_LINES_MAX = 1_000;
export const PEER_LOG_BYTES_MAX = 512 * 1024;
export const PEER_LOGS_MAX = 16;
/** The last words of its pods that did not fail, and of other containers of those that did; how many of each are read. */
export const LAST_WORDS_LINES_MAX = 200;
export const LAST_WORDS_BYTES_MAX = 64 * 1024;
export const LAST_WORDS_PODS_MAX = 8;
export const LAST_WORDS_BESIDE_MAX = 4;
/** Of a job that is a target so many nodes are asked, those where its pods failed first. */
export const JOB_NODES_MAX = 64;
/** Of a job that runs all nodes are looked at together for so long, and so often within that time. */
export const PACE_MS = 4_000;
export const PACE_LOOKS = 5;
/** The first node that is ready waits so long for the others; whoever comes later is left out. */
export const PACE_WAIT_MS_MAX = 10_000;
/** What was read of a node in full serves a question about what has been for so long, if the kernel is silent since. */
export const NODE_LATELY_MS = 15_000;
/** What triage read of a host serves the looks that follow it for so long. */
export const HOST_KEPT_MS = 60_000;
/** Clocks of two nodes of a job differ by so much: what is as good as at once has no order. */
export const JOB_CLOCKS_MS_MAX = 1_000;
/** An error that may be a sign of another one's is taken for it where a sure one of another pod follows within so long. */
export const JOB_DOUBT_MS_MAX = 5_000;
/** Clocks of what writes events differ from the API server's by so much: older is of an earlier object of that name. */
export const EVENT_CLOCKS_MS_MAX = 10_000;
/** What a platform does with a node ends the pods there within so long, their grace periods included. */
export const PLATFORM_ENDS_MS_MAX = 15 * 60_000;
/** A GPU's fault that only logs tell of may be behind what its program says so long after it, and, where it waited for others, so long. */
export const SAID_FAULT_MS_MAX = 60_000;
export const SAID_FAULT_WAIT_MS_MAX = 35 * 60_000;
/** So long without a word of an error, and a program has gone on after it. */
export const JOB_WENT_ON_MS = 60_000;
/** So long after a notice that it takes a node away, no platform has left it. */
export const JOB_NOTICE_MS = 600_000;
