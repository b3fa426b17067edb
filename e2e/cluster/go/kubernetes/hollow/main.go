// Command hollow is the kubelet of many nodes that are not there: it registers them, renews their
// leases, says that our pods on them run, and answers an attach with an agent that has its answers
// from a file; a pod that nobody attaches to leaves a row and ends. API server, controllers, Jobs and the attach stream are the real ones.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	streams "k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const (
	leases       = "kube-node-lease"
	leaseSeconds = 40
	ours         = "app.kubernetes.io/managed-by=kubectl-gpu-mcp"
)

var (
	kubeconfig  = flag.String("kubeconfig", "", "of an administrator")
	count       = flag.Int("nodes", 10, "how many nodes")
	address     = flag.String("address", "", "where the API server finds us")
	port        = flag.Int("port", 10350, "the port of all of their kubelets")
	certificate = flag.String("certificate", "", "for the address, of the cluster's authority")
	key         = flag.String("key", "", "of the certificate")
	agentFile   = flag.String("agent", "", "JSON: initialize, and the result of each tool")
	startTime   = flag.Duration("start", 300*time.Millisecond, "from a pod that is seen to one that runs")
	answerTime  = flag.Duration("answer", 0, "what a tool takes")
	stuck       = flag.Int("stuck", 0, "on so many of the last nodes no pod comes to run")
)

type agent struct {
	Initialize json.RawMessage            `json:"initialize"`
	Tools      map[string]json.RawMessage `json:"tools"`
	Row        string                     `json:"row"`
}

type kubelet struct {
	client  kubernetes.Interface
	agent   agent
	started sync.Map
	running sync.Map
}

func main() {
	flag.Parse()
	ctx := context.Background()
	k := &kubelet{}
	text, err := os.ReadFile(*agentFile)
	must(err)
	must(json.Unmarshal(text, &k.agent))
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	k.client, err = kubernetes.NewForConfig(config)
	must(err)

	http.HandleFunc("/attach/", k.attach)
	go func() {
		must(http.ListenAndServeTLS(fmt.Sprintf("%s:%d", *address, *port), *certificate, *key, nil))
	}()
	each(func(index int) { must(k.register(ctx, index)) })
	k.watch(ctx)
	fmt.Println("ready")
	// A thousand are fifty requests a second, on the two cores of the control plane, and well within a lease.
	leaseEvery := min(max(5*time.Second, time.Duration(*count)*20*time.Millisecond), leaseSeconds*time.Second/2)
	for {
		begun := time.Now()
		each(func(index int) { k.renew(ctx, index) })
		time.Sleep(leaseEvery - time.Since(begun))
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// each does something for every node, sixteen at a time.
func each(do func(index int)) {
	var all sync.WaitGroup
	turns := make(chan struct{}, 16)
	for index := 1; index <= *count; index++ {
		all.Add(1)
		turns <- struct{}{}
		go func() {
			defer func() { <-turns; all.Done() }()
			do(index)
		}()
	}
	all.Wait()
}

func nameOf(index int) string {
	if index > *count-*stuck {
		return fmt.Sprintf("hollow-stuck-%04d", index)
	}
	return fmt.Sprintf("hollow-%04d", index)
}

func (k *kubelet) register(ctx context.Context, index int) error {
	now := meta.Now()
	name := nameOf(index)
	resources := core.ResourceList{
		core.ResourcePods:   resource.MustParse("110"),
		core.ResourceCPU:    resource.MustParse("128"),
		core.ResourceMemory: resource.MustParse("1Ti"),
		"nvidia.com/gpu":    resource.MustParse("8"),
	}
	node := &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{
			"gpu-mcp/hollow":         "true",
			"kubernetes.io/hostname": name,
			"nvidia.com/gpu.present": "true",
		}},
		Status: core.NodeStatus{
			Capacity:    resources,
			Allocatable: resources,
			Conditions: []core.NodeCondition{{
				Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady",
				LastHeartbeatTime: now, LastTransitionTime: now,
			}},
			Addresses:       []core.NodeAddress{{Type: core.NodeInternalIP, Address: *address}},
			DaemonEndpoints: core.NodeDaemonEndpoints{KubeletEndpoint: core.DaemonEndpoint{Port: int32(*port)}},
			NodeInfo:        core.NodeSystemInfo{OperatingSystem: "linux", Architecture: "amd64", KubeletVersion: "v1.37.2", OSImage: "hollow"},
		},
	}
	if _, err := k.client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{}); err != nil {
		return err
	}
	return k.lease(ctx, name)
}

func (k *kubelet) lease(ctx context.Context, name string) error {
	seconds := int32(leaseSeconds)
	now := meta.NowMicro()
	_, err := k.client.CoordinationV1().Leases(leases).Create(ctx, &coordination.Lease{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: leases, Labels: map[string]string{"gpu-mcp/hollow": "true"}},
		Spec:       coordination.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
	}, meta.CreateOptions{})
	return err
}

func (k *kubelet) renew(ctx context.Context, index int) {
	now, _ := meta.NowMicro().MarshalJSON()
	patch := fmt.Sprintf(`{"spec":{"renewTime":%s}}`, now)
	_, err := k.client.CoordinationV1().Leases(leases).Patch(ctx, nameOf(index), types.MergePatchType, []byte(patch), meta.PatchOptions{})
	if err != nil && !errors.IsNotFound(err) {
		log.Print(err)
	}
}

// watch says of every pod of ours that it runs, and removes what is to be deleted.
func (k *kubelet) watch(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(k.client, 0, informers.WithTweakListOptions(func(o *meta.ListOptions) { o.LabelSelector = ours }))
	informer := factory.Core().V1().Pods().Informer()
	seen := func(object any) {
		if pod, ok := object.(*core.Pod); ok && strings.HasPrefix(pod.Spec.NodeName, "hollow-") {
			go k.sync(ctx, pod)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, object any) { seen(object) },
	})
	must(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
}

func (k *kubelet) sync(ctx context.Context, pod *core.Pod) {
	if pod.DeletionTimestamp != nil {
		none := int64(0)
		options := meta.DeleteOptions{GracePeriodSeconds: &none, Preconditions: &meta.Preconditions{UID: &pod.UID}}
		err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
		if err != nil && !errors.IsNotFound(err) && !errors.IsConflict(err) {
			log.Print(err)
		}
		return
	}
	if pod.Status.Phase != core.PodPending || strings.HasPrefix(pod.Spec.NodeName, "hollow-stuck-") {
		return
	}
	if _, isKnown := k.started.LoadOrStore(pod.UID, true); isKnown {
		return
	}
	time.Sleep(*startTime)
	now := meta.Now()
	k.running.Store(pod.Namespace+"/"+pod.Name, true)
	k.tell(ctx, pod.Namespace, pod.Name, core.PodRunning, core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}})
	if !pod.Spec.Containers[0].Stdin {
		time.Sleep(*answerTime)
		k.end(ctx, pod.Namespace, pod.Name, k.agent.Row)
	}
}

func (k *kubelet) end(ctx context.Context, namespace, name, message string) {
	ended := core.ContainerStateTerminated{Reason: "Completed", Message: message, FinishedAt: meta.Now()}
	k.tell(ctx, namespace, name, core.PodSucceeded, core.ContainerState{Terminated: &ended})
}

func (k *kubelet) tell(ctx context.Context, namespace, name string, phase core.PodPhase, state core.ContainerState) {
	now := meta.Now()
	patch, err := json.Marshal(map[string]any{"status": core.PodStatus{
		Phase: phase, StartTime: &now,
		ContainerStatuses: []core.ContainerStatus{{Name: "mcp", Ready: phase == core.PodRunning, State: state}},
	}})
	must(err)
	_, err = k.client.CoreV1().Pods(namespace).Patch(ctx, name, types.MergePatchType, patch, meta.PatchOptions{}, "status")
	if err != nil && !errors.IsNotFound(err) {
		log.Print(err)
	}
}

// attach serves /attach/NAMESPACE/POD/CONTAINER as a kubelet does.
func (k *kubelet) attach(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	options, err := streams.NewOptions(r)
	if err != nil || len(parts) < 4 {
		http.Error(w, "not an attach", http.StatusBadRequest)
		return
	}
	if _, isRunning := k.running.Load(parts[1] + "/" + parts[2]); !isRunning {
		http.Error(w, "container not found", http.StatusNotFound)
		return
	}
	at := &attached{kubelet: k, namespace: parts[1]}
	streams.ServeAttach(w, r, at, parts[2], "", parts[len(parts)-1], options, time.Hour, streams.DefaultStreamCreationTimeout, streams.SupportedStreamingProtocols)
}

type attached struct {
	*kubelet
	namespace string
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name string `json:"name"`
	} `json:"params"`
}

// AttachContainer is the agent: a line of JSON in, a line out, until its input ends, and it with it.
func (a *attached) AttachContainer(_ context.Context, name, _, _ string, in io.Reader, out, _ io.WriteCloser, _ bool, _ <-chan streams.TerminalSize) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var asked message
		if json.Unmarshal(lines.Bytes(), &asked) != nil || asked.ID == nil {
			continue
		}
		answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, asked.ID, a.answer(asked))
		if _, err := io.WriteString(out, answer+"\n"); err != nil {
			break
		}
	}
	a.end(context.Background(), a.namespace, name, "")
	return nil
}

func (k *kubelet) answer(asked message) string {
	switch asked.Method {
	case "initialize":
		return fmt.Sprintf(`"result":%s`, k.agent.Initialize)
	case "ping":
		return `"result":{}`
	case "gpu-mcp/clock":
		return fmt.Sprintf(`"result":{"nowMs":%d}`, time.Now().UnixMilli())
	case "tools/call":
		if result, isKnown := k.agent.Tools[asked.Params.Name]; isKnown {
			time.Sleep(*answerTime)
			return fmt.Sprintf(`"result":%s`, result)
		}
	}
	return `"error":{"code":-32601,"message":"not known to a hollow agent"}`
}
