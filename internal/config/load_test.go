package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testEnv(name string) string {
	return map[string]string{"REGISTRY": "127.0.0.1:5080", "HOME": "/home/someone", "BAD_HOST": "a b"}[name]
}

// minimal is the smallest file that is right; each refused case changes one line of it.
const minimal = `apiVersion: slipway.dev/v1
service: calculator
registry: acme.azurecr.io
build: { chart: charts/calculator }
environments:
  dev1:
    namespace: calculator
    host: calculator.example.org
    strategy: { rolling: {} }
    gates: [smoke]
gates:
  smoke: { probe: { path: /ping } }
`

type refusal struct {
	name, old, new string // new replaces old in minimal
	at             string // line:column of the first problem
	says           string // part of its message
	onlyLoader     bool   // more than a schema can say
}

func (r refusal) text() string { return strings.Replace(minimal, r.old, r.new, 1) }

var refused = []refusal{
	{name: "unknown key", old: "strategy:", new: "stratgy:", at: "9:5", says: `unknown key "stratgy" in environments.dev1; did you mean "strategy"?`},
	{name: "unknown key far from any", old: "strategy:", new: "x: 1\n    strategy:", at: "9:5", says: "the keys known here are after, azure, cluster, endpoint, gates, guardian, host,"},
	{name: "unknown key at the top", old: "service:", new: "servce:", at: "2:1", says: `at the top level; did you mean "service"?`},
	{name: "missing key", old: "    namespace: calculator\n", new: "", at: "6:3", says: `"namespace" is missing in environments.dev1`},
	{name: "several missing keys", old: "registry: acme.azurecr.io\nbuild: { chart: charts/calculator }\n", new: "", at: "1:1", says: "missing at the top level: registry, build"},
	{name: "key twice", old: "registry:", new: "service: again\nregistry:", at: "3:1", says: `"service" is in the file twice; the first one is at line 2`, onlyLoader: true},
	{name: "number for text", old: "namespace: calculator", new: "namespace: 12", at: "7:16", says: `put it in quotes: "12"`},
	{name: "mapping for text", old: "namespace: calculator", new: "namespace: { a: b }", at: "7:16", says: "must be text, but is a mapping"},
	{name: "text for list", old: "gates: [smoke]", new: "gates: smoke", at: "10:12", says: `must be a list, but is the text "smoke"`},
	{name: "nothing for mapping", old: "rolling: {}", new: "rolling: ", at: "9:17", says: "write {} for its defaults"},
	{name: "text for number", old: "build:", new: "backend: { port: http }\nbuild:", at: "4:18", says: `must be a whole number, but is the text "http"`},
	{name: "text for truth", old: "rolling: {}", new: "blueGreen: { keep: yes }", at: "9:36", says: `must be true or false, but is the text "yes"`},
	{name: "fraction for number", old: "build:", new: "backend: { port: 80.5 }\nbuild:", at: "4:18", says: "must be a whole number"},
	{name: "huge number", old: "build:", new: "backend: { port: 99999999999999999999 }\nbuild:", at: "4:18"},
	{name: "other version", old: "slipway.dev/v1", new: "slipway.dev/v9", at: "1:13", says: `reads only "slipway.dev/v1"`},
	{name: "service with capitals", old: "service: calculator", new: "service: Calculator", at: "2:10", says: "lower-case"},
	{name: "service that begins with a digit", old: "service: calculator", new: "service: 4calculators", at: "2:10", says: "begin with a letter"},
	{name: "long service", old: "service: calculator", new: "service: a2345678901234567890123456789012345678901", at: "2:10", says: "41 characters long", onlyLoader: true},
	{name: "registry with scheme", old: "acme.azurecr.io", new: "https://acme.azurecr.io", at: "3:11", says: `without a scheme: "acme.azurecr.io"`},
	{name: "registry with space", old: "acme.azurecr.io", new: "acme azurecr", at: "3:11", says: "must be a host"},
	{name: "unset variable", old: "acme.azurecr.io", new: "${ACR}.azurecr.io", at: "3:11", says: "the environment variable ACR is not set, and registry refers to it", onlyLoader: true},
	{name: "unset variable inside a text", old: "acme.azurecr.io", new: `"acme-${ACR}.azurecr.io"`, at: "3:17", says: "ACR is not set", onlyLoader: true},
	{name: "vault reference", old: "namespace: calculator", new: "namespace: ${vault:phoenix-namespace}", at: "7:16", says: "needs a vault, but the environment names none", onlyLoader: true},
	{name: "vault reference in values", old: "build:", new: "values: { a: 'x ${vault:k}' }\nbuild:", at: "4:17", says: "stands outside of an environment", onlyLoader: true},
	{name: "release reference outside values", old: "calculator.example.org", new: "${slot}.example.org", at: "8:11", says: "only known during a release", onlyLoader: true},
	{name: "reference that is none", old: "calculator.example.org", new: "${a b}.example.org", at: "8:11", says: "is no reference", onlyLoader: true},
	{name: "unknown reference in values", old: "build:", new: "values: { a: '${slto}' }\nbuild:", at: "4:15", says: `did you mean "slot"?`, onlyLoader: true},
	{name: "image reference to nothing", old: "build: {", new: "values: { a: '${image:fronted}' }\nbuild: { images: { frontend: { go: ./f } }, ", at: "4:15", says: `did you mean "frontend"?`, onlyLoader: true},
	{name: "image reference to no part", old: "build: {", new: "values: { a: '${image:f.tag}' }\nbuild: { images: { f: { go: ./f } }, ", at: "4:15", says: `asks for "tag" of an image; the parts are digest, hex, repository`, onlyLoader: true},
	{name: "gate on telemetry without telemetry", old: "smoke: { probe: { path: /ping } }", new: "smoke: { exceptions: { worseBy: 1% } }", at: "10:13", says: "reads telemetry, but has none: add environments.dev1.telemetry", onlyLoader: true},
	{name: "workspace by name", old: "gates: [smoke]", new: "telemetry: { applicationInsights: { workspace: logs } }", at: "10:52", says: "must be the workspace's id, a GUID"},
	{name: "a token for an http address", old: "gates: [smoke]", new: "azure: { endpoints: { logs: http://logs } }", at: "10:33", says: "a token is sent to it"},
	{name: "unknown cloud", old: "gates: [smoke]", new: "azure: { cloud: usgov }", at: "10:21", says: "the clouds are china, public, usGovernment"},
	{name: "tolerance without a unit", old: "gates:\n  smoke:", new: "gates:\n  t: { exceptions: { worseBy: 5 } }\n  smoke:", at: "12:31", says: `write "0.5%" (added), "1.25x" (a factor)`},
	{name: "tolerances that contradict each other", old: "gates:\n  smoke:", new: "gates:\n  t: { exceptions: { worseBy: 2%, margin: 1% } }\n  smoke:", at: "12:43", says: "less than worseBy, 2%", onlyLoader: true},
	{name: "margin of nothing", old: "gates:\n  smoke:", new: "gates:\n  t: { exceptions: { margin: 0% } }\n  smoke:", at: "12:30", says: "not even a candidate as good as production", onlyLoader: true},
	{name: "tolerance that is better", old: "gates:\n  smoke:", new: "gates:\n  t: { exceptions: { worseBy: 0.5x } }\n  smoke:", at: "12:31", says: `a factor is 1x (no worse)`, onlyLoader: true},
	{name: "quantile in percent", old: "gates:\n  smoke:", new: "gates:\n  t: { requests: { quantile: 95 } }\n  smoke:", at: "12:30", says: `must lie between 0 and 1`},
	{name: "requests of both kinds", old: "gates:\n  smoke:", new: "gates:\n  t: { requests: { failureRate: {}, quantile: 0.5 } }\n  smoke:", at: "12:37", says: `has both failureRate and quantile`},
	{name: "telemetry before traffic", old: "gates:\n  smoke:", new: "gates:\n  t: { at: smoke, exceptions: {} }\n  smoke:", at: "12:12", says: `needs traffic`, onlyLoader: true},
	{name: "counters without Prometheus", old: "smoke: { probe: { path: /ping } }", new: "smoke: { prometheus: { trials: 'n{s=\"$slot\"}', events: 'f{s=\"$slot\"}' } }", at: "10:13", says: "but has none: add environments.dev1.telemetry.prometheus", onlyLoader: true},
	{name: "counters in bad PromQL", old: "gates:\n  smoke:", new: "gates:\n  t: { prometheus: { trials: 'n{s=$slot}', events: 'f{s=\"$slot\"}' } }\n  smoke:", at: "12:30", says: "is no query for counters: 1:5: parse error", onlyLoader: true},
	{name: "counters that are a number", old: "gates:\n  smoke:", new: "gates:\n  t: { prometheus: { trials: '1', events: 'f{s=\"$slot\"}' } }\n  smoke:", at: "12:30", says: "it gives a scalar", onlyLoader: true},
	{name: "counters that are the same for both", old: "gates:\n  smoke:", new: "gates:\n  t: { prometheus: { trials: n, events: 'f{s=\"$slot\"}' } }\n  smoke:", at: "12:30", says: "asks the same of candidate and production", onlyLoader: true},
	{name: "Prometheus of two kinds", old: "gates: [smoke]", new: "telemetry: { prometheus: { url: http://p, metrics: [http://g] } }", at: "10:47", says: "has both url and metrics"},
	{name: "Prometheus nowhere", old: "gates: [smoke]", new: "telemetry: { prometheus: { url: p } }", at: "10:37", says: "must be an http or https URL"},
	{name: "weights of two kinds", old: "{ rolling: {} }", new: "{ canary: { auto: {}, steps: [100] } }", at: "9:33", says: "has both steps and auto", onlyLoader: true},
	{name: "auto by no evidence", old: "{ rolling: {} }", new: "{ canary: { auto: {} } }", at: "9:33", says: "no gate of the environment counts that on telemetry", onlyLoader: true},
	{name: "alpha of nothing", old: "gates: [smoke]", new: "judge: { alpha: 0% }", at: "10:21", says: "more than 0% and less than 50%", onlyLoader: true},
	{name: "alpha of a coin", old: "gates: [smoke]", new: "judge: { beta: 50% }", at: "10:20", says: "the chance of passing a bad one must be more than 0%", onlyLoader: true},
	{name: "alpha without a unit", old: "gates: [smoke]", new: "judge: { alpha: 0.01 }", at: "10:21", says: `write a percentage such as "0.5%"`},
	{name: "a guardian that does nothing known", old: "gates: [smoke]", new: "guardian: { onLoss: pray }", at: "10:25", says: `is "pray", but must be rollback, none`},
	{name: "a guardian whose image may change", old: "gates: [smoke]", new: "guardian: { image: acme.azurecr.io/slipway:1 }", at: "10:24", says: "an image is named by its digest"},
	{name: "a guardian that would ask a path", old: "gates: [smoke]", new: "guardian: { endpoint: http://gateway/x }", at: "10:27", says: "guardian.endpoint"},
	{name: "a deadline that leads nowhere", old: "gates: [smoke]", new: "judge: { onDeadline: wait }", at: "10:26", says: `is "wait", but must be rollback, hold, promote`},
	{name: "query with two answers", old: "gates:\n  smoke:", new: "gates:\n  t: { kql: { query: MyTable_CL, max: 1, worseBy: 1% } }\n  smoke:", at: "12:39", says: `has both max and worseBy`, onlyLoader: true},
	{name: "query with a bad column", old: "gates:\n  smoke:", new: "gates:\n  t: { kql: { query: AppRequests | where Nope > 1 } }\n  smoke:", at: "12:22", says: `line 1, column 21: `, onlyLoader: true},
	{name: "query that is none", old: "gates:\n  smoke:", new: "gates:\n  t: { kql: { query: AppRequests | wher Success } }\n  smoke:", at: "12:22", says: `line 1, column 15: `, onlyLoader: true},
	{name: "query without a slot", old: "gates:\n  smoke:", new: "gates:\n  t: { kql: { query: AppRequests | summarize trials = count() } }\n  smoke:", at: "12:22", says: `gives no column bin, events, slot; it gives trials`, onlyLoader: true},
	{name: "query with a slot that is none", old: "gates:\n  smoke:", new: "gates:\n  t: { kql: { max: 3, query: AppRequests | summarize value = count() by slot = Success } }\n  smoke:", at: "12:30", says: `gives the column slot as bool, but it must be string`, onlyLoader: true},
	{name: "variable with a bad value", old: "calculator.example.org", new: "${BAD_HOST}", at: "8:11", says: `is "a b"`, onlyLoader: true},
	{name: "image of no kind", old: "build: {", new: "build: { images: { a: {} }, ", at: "4:20", says: "exactly one of go, dockerfile"},
	{name: "image of both kinds", old: "build: {", new: "build: { images: { a: { go: ./a, dockerfile: D } }, ", at: "4:34", says: "has both go and dockerfile"},
	{name: "image with a bad name", old: "build: {", new: "build: { images: { a.b: { go: ./a } }, ", at: "4:20", says: "is no name for an image"},
	{name: "context without dockerfile", old: "build: {", new: "build: { images: { a: { go: ./a, context: . } }, ", at: "4:43", says: "belongs to a dockerfile", onlyLoader: true},
	{name: "platform", old: "build: {", new: "build: { images: { a: { go: ./a, platforms: [linux] } }, ", at: "4:46", says: "must be os/arch", onlyLoader: true},
	{name: "port", old: "build:", new: "backend: { port: 70000 }\nbuild:", at: "4:18", says: "1 to 65535"},
	{name: "backend", old: "build:", new: "backend: { service: '${release}_web' }\nbuild:", at: "4:21", says: "name of a Service", onlyLoader: true},
	{name: "environment name", old: "dev1:", new: "Dev_1:", at: "6:3", says: "is no name for an environment"},
	{name: "no environments", old: minimal[strings.Index(minimal, "environments:"):strings.Index(minimal, "gates:\n")], new: "environments: {}\n", at: "5:15", says: "needs at least one"},
	{name: "host with scheme", old: "host: calc", new: "host: http://calc", at: "8:11", says: "must be a DNS name"},
	{name: "endpoint without scheme", old: "strategy:", new: "endpoint: 127.0.0.1:8080\n    strategy:", at: "9:15", says: "http or https URL"},
	{name: "endpoint with path", old: "strategy:", new: "endpoint: http://a/b\n    strategy:", at: "9:15", says: "the path is the probe's"},
	{name: "endpoint with password", old: "strategy:", new: "endpoint: http://u:p@a\n    strategy:", at: "9:15", says: "a secret must not stand"},
	{name: "strategy of no kind", old: "{ rolling: {} }", new: "{}", at: "9:5", says: "exactly one of rolling, blueGreen, canary"},
	{name: "strategy of two kinds", old: "{ rolling: {} }", new: "{ rolling: {}, canary: {} }", at: "9:30", says: "has both rolling and canary"},
	{name: "misspelt strategy", old: "{ rolling: {} }", new: "{ blue-green: {} }", at: "9:17", says: `did you mean "blueGreen"?`},
	{name: "two routers", old: "strategy:", new: "router: { nginx: {}, gateway: { name: g } }\n    strategy:", at: "9:26", says: "has both nginx and gateway"},
	{name: "gateway without name", old: "strategy:", new: "router: { gateway: {} }\n    strategy:", at: "9:15", says: `"name" is missing`},
	{name: "step of 0", old: "rolling: {}", new: "canary: { steps: [0, 100] }", at: "9:35", says: "1 to 100 percent"},
	{name: "steps that fall", old: "rolling: {}", new: "canary: { steps: [50, 25, 100] }", at: "9:39", says: "25 after 50, but steps must rise", onlyLoader: true},
	{name: "steps that do not end in 100", old: "rolling: {}", new: "canary: { steps: [5, 50] }", at: "9:38", says: "must be 100", onlyLoader: true},
	{name: "no steps", old: "rolling: {}", new: "canary: { steps: [] }", at: "9:34", says: "is empty"},
	{name: "duration without unit", old: "rolling: {}", new: "rolling: { hold: 10 }", at: "9:34", says: `did you mean "10s"?`},
	{name: "duration with words", old: "rolling: {}", new: "rolling: { hold: 10 minutes }", at: "9:34", says: `did you mean "10m"?`},
	{name: "duration in days", old: "rolling: {}", new: "rolling: { hold: 2d }", at: "9:34", says: `did you mean "48h"?`},
	{name: "negative duration", old: "rolling: {}", new: "rolling: { hold: -1s }", at: "9:34", says: "cannot be negative"},
	{name: "no duration", old: "rolling: {}", new: "rolling: { hold: soon }", at: "9:34", says: "is no duration"},
	{name: "deadline of 0", old: "rolling: {}", new: "canary: { deadline: 0s }", at: "9:37", says: "longer than 0", onlyLoader: true},
	{name: "unknown gate", old: "[smoke]", new: "[smok]", at: "10:13", says: `did you mean "smoke"?`, onlyLoader: true},
	{name: "gate twice", old: "[smoke]", new: "[smoke, smoke]", at: "10:20", says: "twice"},
	{name: "after nothing", old: "strategy:", new: "after: dev2\n    strategy:", at: "9:12", says: `did you mean "dev1"?`, onlyLoader: true},
	{name: "after itself", old: "strategy:", new: "after: dev1\n    strategy:", at: "9:12", says: "dev1 after dev1", onlyLoader: true},
	{name: "gate of no kind", old: "{ probe: { path: /ping } }", new: "{}", at: "12:3", says: "exactly one of probe, kubernetes"},
	{name: "gate of two kinds", old: "{ probe: { path: /ping } }", new: "{ probe: { path: / }, kubernetes: {} }", at: "12:32", says: "has both probe and kubernetes"},
	{name: "gate at nowhere", old: "{ probe:", new: "{ at: night, probe:", at: "12:16", says: `must be "smoke"`},
	{name: "probe path", old: "/ping", new: "ping", at: "12:27", says: "must begin with /"},
	{name: "probe method", old: "/ping", new: "/ping, method: get", at: "12:42", says: `did you mean "GET"?`},
	{name: "probe status", old: "/ping", new: "/ping, expect: { status: 20 }", at: "12:52", says: "100 to 599"},
	{name: "probe body", old: "/ping", new: "/ping, expect: { body: 'a(b' }", at: "12:50", says: "is no regular expression: missing closing )", onlyLoader: true},
	{name: "probe bound beyond its timeout", old: "/ping", new: "/ping, expect: { within: 6s }", at: "12:52", says: "ends after 5s", onlyLoader: true},
	{name: "probe count", old: "/ping", new: "/ping, count: 0", at: "12:41", says: "1 to 100000"},
	{name: "probe that cannot fail", old: "/ping", new: "/ping, count: 3, allowedFailures: 3", at: "12:61", says: "could never fail", onlyLoader: true},
	{name: "probe with another canary header", old: "/ping", new: "/ping, headers: { Canary: never }", at: "12:53", says: "Slipway itself sends", onlyLoader: true},
	{name: "restarts", old: "probe: { path: /ping }", new: "kubernetes: { restarts: -1 }", at: "12:36", says: "cannot be negative"},
	{name: "unknown alias", old: "{ rolling: {} }", new: "*nowhere", at: "9:15", says: "anchor that does not exist", onlyLoader: true},
	{name: "not YAML", old: "build: {", new: "build: { {", at: "", says: "not valid YAML", onlyLoader: true},
	{name: "tab", old: "  dev1:", new: "\tdev1:", at: "6:1", says: "a tab indents this line", onlyLoader: true},
	{name: "two documents", old: "gates:\n", new: "---\ngates:\n", at: "12:1", says: "holds 2 YAML documents", onlyLoader: true},
	{name: "not UTF-8", old: "service: calculator", new: "service: calc\xfflator", at: "2:14", says: "0xff is not UTF-8", onlyLoader: true},
	{name: "control character", old: "service: calculator", new: "service: calc\x07ulator", at: "2:14", says: "U+0007", onlyLoader: true},
	{name: "empty file", old: minimal, new: "", at: "0:0", says: "the file is empty", onlyLoader: true},
	{name: "comments only", old: minimal, new: "# later\n---\n# still\n", at: "0:0", says: "the file is empty", onlyLoader: true},
	{name: "a list", old: minimal, new: "- a\n", at: "1:1", says: "must be a mapping"},
	{name: "brackets without end", old: minimal, new: strings.Repeat("[", 60_000), at: "1:101", says: "inside one another", onlyLoader: true},
	{name: "lists without end", old: minimal, new: strings.Repeat("- ", 30_000), at: "1:201", says: "inside one another", onlyLoader: true},
	{name: "alias of itself", old: "build:", new: "values: { a: &a { b: *a } }\nbuild:", says: "does an alias contain itself?", onlyLoader: true},
	{name: "aliases that multiply", old: "build:", new: "values: { a: &a [x,x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d] }\nbuild:", says: "unfold to more than", onlyLoader: true},
	{name: "too large", old: minimal, new: strings.Repeat("# x\n", 100_000), at: "0:0", says: "larger than 64 KiB", onlyLoader: true},
	{name: "value that JSON cannot hold", old: "build:", new: "values: { a: .nan }\nbuild:", at: "4:14", says: "not a finite number", onlyLoader: true},
}

func TestEachMistakeIsNamedAtItsPlace(t *testing.T) {
	if _, err := Parse("slipway.yaml", []byte(minimal), testEnv); err != nil {
		t.Fatalf("the example that the cases change: %v", err)
	}
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			text := c.text()
			if text == minimal {
				t.Fatalf("the case changes nothing: %q is not in the example", c.old)
			}
			_, err := Parse("slipway.yaml", []byte(text), testEnv)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("no *Error: %v", err)
			}
			p := e.Problems[0]
			if at := place(p); c.at != "" && at != c.at {
				t.Errorf("at %s, want %s:\n%v", at, c.at, err)
			}
			if !strings.Contains(p.Message, c.says) {
				t.Errorf("does not say %q:\n%v", c.says, err)
			}
			if len(e.Problems) > 1 {
				t.Errorf("one mistake makes %d problems:\n%v", len(e.Problems), err)
			}
		})
	}
}

func place(p Problem) string {
	_, rest, _ := strings.Cut(p.String(), "slipway.yaml")
	if p.Line == 0 {
		return "0:0"
	}
	parts := strings.SplitN(rest, ":", 4)
	return parts[1] + ":" + parts[2]
}

func TestAllProblemsOfAFileAreReportedTogetherInItsOrder(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, file := range files {
		_, _, err := Load(file, testEnv)
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: no *Error: %v", file, err)
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".golden"
		got := filepath.ToSlash(err.Error()) + "\n"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%swant\n%s", file, got, want)
		}
	}
}

func TestLoadSaysWhereItLookedForAMissingFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "slipway.yaml"), dir} {
		_, _, err := Load(path, testEnv)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "looked for "+filepath.Join(dir, "slipway.yaml")) {
			t.Errorf("Load(%s): %v", path, err)
		}
	}
}

func TestLoadGivesTheBytesAsTheyAreAndTheDirectory(t *testing.T) {
	dir := t.TempDir()
	text := "\xef\xbb\xbf" + strings.ReplaceAll(strings.Replace(minimal, "acme.azurecr.io", "${REGISTRY}", 1), "\n", "\r\n")
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, data, err := Load(dir, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != text || c.Dir != dir || c.Registry != "127.0.0.1:5080" {
		t.Errorf("data %q, dir %s, registry %s", data, c.Dir, c.Registry)
	}
}

func FuzzParseNeverPanicsAndPointsIntoTheFile(f *testing.F) {
	f.Add([]byte(minimal))
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for _, text := range []string{"a: &a [*a]\n", "<<: *x\n", "? {a: b}\n: c\n", "a: |\n  x\n", "!!map {}", "%YAML 1.2\n---\na: 1\n", "a: &a {<<: *a}\nservice: *a\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f.yaml", text, testEnv)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || len(e.Problems) == 0) {
			t.Fatalf("not an *Error with problems: %v", err)
		}
		if err != nil {
			lines := strings.Count(string(text), "\n") + 1
			for _, p := range e.Problems {
				if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Column < 1 {
					t.Errorf("%d:%d is not in a file of %d lines", p.Line, p.Column, lines)
				}
			}
		}
		if c != nil {
			for name := range c.Environments {
				if _, err := c.Environment(name); err != nil {
					t.Errorf("environment %s: %v", name, err)
				}
			}
		}
	})
}
