//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/event"
)

// leakYAML releases the calculator with secrets of the vault stand-in, which nothing reads; FAULTS are the frontend's.
const leakYAML = `apiVersion: slipway.dev/v1
service: calculator
registry: 127.0.0.1:5080/e2e
build:
  images:
    calculator-frontend: { go: ROOT/apps/calculator/frontend }
    calculator-backend: { go: ROOT/apps/calculator/backend }
  chart: ROOT/charts/calculator
values:
  slot: ${slot}
  version: ${version}
  frontend: { image: "${image:calculator-frontend}", replicas: 1, faults: FAULTS }
  backend: { image: "${image:calculator-backend}", replicas: 1 }
  redis: { existingSecret: "${secret:redis}" }
backend: { service: "${release}-frontend" }
gates:
  smoke: { at: smoke, probe: { path: /ping } }
  answers:
    at: steps
    probe: ` + calculatorAnswers + `
azure: { tenant: 00000000-0000-4000-8000-000000000010, clientID: 00000000-0000-4000-8000-000000000050, tokenFile: ` + sandboxDir + `/azure/federated-token,
  endpoints: { authority: "https://10.123.0.1:5093", logs: "https://10.123.0.1:5092/v1", management: "https://10.123.0.1:5095" }, caFile: ` + authority + `,
  registries: ["` + acr + `"] }
environments:
  canary: { strategy: { canary: { steps: [50, 100], hold: "${E2E_HOLD}", deadline: 20s } }, ANY }
  in-place: { strategy: { rolling: {} }, ANY }
  shown: { values: { telemetry: { otlpEndpoint: "${vault:MARK-first}" } }, strategy: { rolling: {} }, WHERE, secrets: { redis: { host: redis-host } } }
`

const (
	leakWhere = `vault: "https://10.123.0.1:5094", cluster: { aks: { subscription: 00000000-0000-4000-8000-000000000020, group: sandbox, name: sandbox } },
    namespace: "${E2E_NAMESPACE}", host: "${E2E_HOST}", endpoint: "` + endpoint + `", guardian: { endpoint: "http://10.123.0.1:8080", onLoss: none }, gates: [smoke, answers], router: { gateway: { name: gateway, namespace: gateway-system } }`
	leakSecrets = `secrets: { redis: { host: redis-host, port: redis-port, password: redis-password, ca.crt: redis-ca,
      first: MARK-first, second: MARK-second, third: MARK-third } }`
)

// leakSite is a site whose commands write their temporary files where the test can look.
type leakSite struct {
	*site
	t     *testing.T
	dir   string // of the projects
	temp  string
	hunt  *hunt
	marks map[string]string
}

func (l *leakSite) command(stdin string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(bin("slipway"), args...)
	cmd.Dir = l.dir
	cmd.Env = append(l.environ(), "TMPDIR="+l.temp, "HOME="+l.temp, "XDG_CACHE_HOME="+l.temp, "GOCACHE="+goEnv(l.t, "GOCACHE"), "GOMODCACHE="+goEnv(l.t, "GOMODCACHE"))
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// run runs slipway, looks through what it said, and wants the exit code.
func (l *leakSite) run(code int, stdin string, args ...string) string {
	l.t.Helper()
	cmd, out := l.command(stdin, args...)
	err := cmd.Run()
	l.hunt.look("output of slipway "+strings.Join(args, " "), out.Bytes())
	if got := cmd.ProcessState.ExitCode(); got != code {
		l.t.Fatalf("slipway %s: exit code %d (%v), want %d:\n%s", strings.Join(args, " "), got, err, code, out)
	}
	return out.String()
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (l *leakSite) project(name, faults string) string {
	l.t.Helper()
	where := strings.NewReplacer("ANY", leakWhere+",\n    "+leakSecrets, "WHERE", leakWhere).Replace(leakYAML)
	text := strings.NewReplacer("ROOT", suite.root, "FAULTS", faults, "MARK", "leak-"+runID).Replace(where)
	path := filepath.Join(l.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

func newLeakSite(t *testing.T, name string) *leakSite {
	t.Helper()
	l := &leakSite{site: newSite(t, name), t: t, dir: t.TempDir(), temp: t.TempDir(), marks: map[string]string{
		"first":  "LeakFirst-" + runID + `/+"&%<é>'\ $x`,
		"second": "LeakSecond-" + runID + "-0123456789abcdef",
		"third":  "-----BEGIN LEAK-----\nLeakThird" + runID + "line1\nLeakThird" + runID + "line2\n-----END LEAK-----",
	}}
	l.hunt = newHunt(t, l.marks)
	return l
}

// setMarks puts the marked secrets into the vault.
func (l *leakSite) setMarks(project string) {
	l.t.Helper()
	for name, value := range l.marks {
		l.run(0, value, "vault", "set", "-f", project, "--env", "canary", "leak-"+runID+"-"+name)
	}
}

// Marked secrets are released, gated out, interrupted, killed and taken back; then everything that exists is looked through.
// They may be in the vault, and in the one Kubernetes Secret that is made of them.
func noSecretIsAnywhereElse(t *testing.T) {
	l := newLeakSite(t, "leak")
	stop := l.hunt.sampleProcesses()
	defer stop()
	good, bad := l.project("good", "{}"), l.project("bad", "{ failureRate: 0.7 }")
	l.setMarks(good)
	l.run(0, "", "vault", "check", "-f", good, "--env", "canary", "-v", "-o", "json")
	l.run(0, "", "vault", "list", "-f", good, "--env", "canary", "-v")
	l.run(0, "", "doctor", "-f", good, "--env", "canary", "-v")

	// A chart value must not be a secret.
	if out := l.run(2, "", "release", "-f", good, "--env", "shown", "--version", "leak-shown", "-v"); !strings.Contains(out, `use it under "secrets"`) {
		t.Errorf("the refusal should advise secrets:\n%s", out)
	}
	// Success, plain and verbose, and as JSON with events in a file.
	l.run(0, "", "release", "-f", good, "--env", "canary", "--version", "leak-v1", "-v")
	events := filepath.Join(l.temp, "events")
	l.run(0, "", "release", "-f", good, "--env", "canary", "--version", "leak-v2", "-v", "-o", "json", "--events", events)
	l.lookAtCluster()
	// Gated out and rolled back.
	l.run(3, "", "release", "-f", bad, "--env", "canary", "--version", "leak-bad", "-v")
	l.lookAtCluster()
	// A crash dump in the middle, and a kill.
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		l.endInTheMiddle(good, signal)
		l.lookAtCluster()
		l.run(0, "", "rollback", "-f", good, "--env", "canary", "-v")
		l.lookAtCluster()
	}
	l.run(0, "", "status", "-f", good, "--env", "canary", "-o", "json", "-v")
	l.run(0, "", "history", "-f", good, "--env", "canary", "-o", "json", "-v")

	stop()
	l.hunt.lookAtFiles(l.temp)
	l.hunt.lookAtFiles(l.dir)
	l.lookAtBundle(good)
	if len(l.hunt.secretsSeen) == 0 {
		t.Error("no Kubernetes Secret held the marks, so nothing was tested")
	}
	t.Logf("looked through %d things, %d bytes, and at %d processes", l.hunt.things, l.hunt.bytes, l.hunt.processes)
}

// endInTheMiddle begins a release and ends its process while the candidate has half of the traffic.
func (l *leakSite) endInTheMiddle(project string, signal syscall.Signal) {
	l.t.Helper()
	l.hold = "2m"
	defer func() { l.hold = "" }()
	l.endWhen(project, signal, "half of the traffic was moved", func(e event.Event) bool { return strings.Contains(e.Message, "weight 50 % in force") })
}

// endWhen begins a release and ends its process at an event.
func (l *leakSite) endWhen(project string, signal syscall.Signal, what string, is func(event.Event) bool) {
	l.t.Helper()
	cmd, out := l.command("", "release", "-f", project, "--env", "canary", "--version", fmt.Sprintf("leak-%d", signal), "-v", "-o", "json")
	reader, writer, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stdout = writer
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	writer.Close()
	defer func() { _ = cmd.Process.Kill() }()
	var said bytes.Buffer
	lines := json.NewDecoder(reader)
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	for {
		var e event.Event
		if err := lines.Decode(&e); err != nil {
			l.t.Fatalf("the release ended before %s: %v\n%s%s", what, err, &said, out)
		}
		raw, _ := json.Marshal(e)
		said.Write(append(raw, '\n'))
		if is(e) {
			break
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		l.t.Fatal(err)
	}
	_ = cmd.Wait() // it was ended
	reader.Close()
	l.hunt.look("events until "+signal.String(), said.Bytes())
	l.hunt.look("standard error at "+signal.String(), out.Bytes())
	if signal == syscall.SIGQUIT && !strings.Contains(out.String(), "goroutine ") {
		l.t.Errorf("there should be a crash dump:\n%s", out)
	}
}

// lookAtBundle reads what the newest build pushed.
func (l *leakSite) lookAtBundle(project string) {
	l.t.Helper()
	out := l.run(0, "", "build", "-f", project, "--version", "leak-v2", "-o", "json")
	var said struct{ Reference string }
	if err := json.NewDecoder(strings.NewReader(out[strings.Index(out, "\n{")+1:])).Decode(&said); err != nil {
		l.t.Fatalf("slipway build: %v\n%s", err, out)
	}
	p, err := bundle.Pull(l.t.Context(), said.Reference)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hunt.look("the bundle's configuration", p.ConfigYAML)
	l.hunt.look("the bundle's chart", gunzip(l.t, p.ChartTGZ))
}
