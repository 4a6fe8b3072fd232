package config

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	yaml "github.com/goccy/go-yaml"
)

func loadFull(t *testing.T) *Config {
	t.Helper()
	c, _, err := Load("testdata/good/full.yaml", testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEnvironmentFillsInEveryDefault(t *testing.T) {
	c, err := Parse("slipway.yaml", []byte(strings.Replace(minimal, "rolling", "canary", 1)), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Environment("dev1")
	if err != nil {
		t.Fatal(err)
	}
	want := Environment{
		Namespace: "calculator", Host: "calculator.example.org", Endpoint: "http://calculator.example.org",
		Router:   Router{Gateway: &GatewayRouter{Name: "gateway", Namespace: "calculator"}},
		Strategy: Strategy{Canary: &Canary{Steps: []int{5, 25, 50, 100}, Deadline: Duration(5 * time.Minute)}},
		Gates:    []string{"smoke"}, ReadyTimeout: Duration(5 * time.Minute),
		Judge:    Judge{Alpha: 0.01, Beta: 0.05, OnDeadline: "rollback"},
		Guardian: Guardian{OnLoss: "rollback", Endpoint: "http://calculator.example.org"},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got %+v\nwant %+v", e, want)
	}
	g, err := c.Gate("smoke")
	if err != nil || g.Probe.Method != "GET" || g.Probe.Count != 1 || g.Probe.Timeout != Duration(5*time.Second) {
		t.Errorf("%+v, %v", g.Probe, err)
	}
}

func TestEnvironmentKeepsWhatTheFileSays(t *testing.T) {
	e, err := loadFull(t).Environment("prod1")
	if err != nil {
		t.Fatal(err)
	}
	if e.Endpoint != "http://127.0.0.1:8080" || e.Cluster.Kubeconfig != "/home/someone/.kube/config" ||
		e.Router.Gateway.Namespace != "gateway-system" || e.Strategy.Canary.Deadline != Duration(2*time.Minute) || e.ReadyTimeout != Duration(3*time.Minute) {
		t.Errorf("%+v", e)
	}
	nginx, err := loadFull(t).Environment("prod2")
	if err != nil || nginx.Router.Nginx == nil || nginx.Router.Nginx.Class != "nginx" || nginx.Router.Gateway != nil || nginx.Strategy.BlueGreen == nil || !nginx.Strategy.BlueGreen.Keep {
		t.Errorf("%+v, %v", nginx, err)
	}
}

func TestValuesMergeDeeplyAndAreNotShared(t *testing.T) {
	c := loadFull(t)
	e, err := c.Environment("prod1")
	if err != nil {
		t.Fatal(err)
	}
	frontend := e.Values["frontend"].(map[string]any)
	if image, there := frontend["image"]; frontend["replicas"] != int64(6) || frontend["ratio"] != 0.5 || !there || image != nil {
		t.Errorf("frontend %v", frontend)
	}
	frontend["replicas"] = 0
	e.Values["backend"].(map[string]any)["image"].(map[string]any)["digest"] = "changed"
	again, err := c.Environment("prod1")
	if err != nil {
		t.Fatal(err)
	}
	if again.Values["frontend"].(map[string]any)["replicas"] != int64(6) || again.Values["backend"].(map[string]any)["image"].(map[string]any)["digest"] == "changed" {
		t.Error("a change of what Environment returned changed the configuration")
	}
}

func TestAnUnknownEnvironmentListsThoseThatExist(t *testing.T) {
	_, err := loadFull(t).Environment("prd1")
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), `did you mean "prod1"?`) || !strings.Contains(err.Error(), "dev1, prod1, prod2, stage1") {
		t.Error(err)
	}
}

func TestReferencesStayUntilAReleaseResolvesThem(t *testing.T) {
	c := loadFull(t)
	if c.Values["version"] != "${version}" || c.Backend.Service != "${release}-frontend" {
		t.Errorf("%v, %v", c.Values["version"], c.Backend.Service)
	}
	got, err := Expand("cost $${dollars} ${slot}-${image:a.digest}", func(ref string) (string, error) { return "<" + ref + ">", nil })
	if err != nil || got != "cost ${dollars} <slot>-<image:a.digest>" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Expand("a ${b}", func(string) (string, error) { return "", errors.New("no") }); err == nil || !strings.Contains(err.Error(), "${b}") {
		t.Errorf("the error does not name the reference: %v", err)
	}
}

func TestDurationsSurviveJSONAndYAML(t *testing.T) {
	for text, want := range map[string]string{"10m": "10m", "1h30m": "1h30m", "2h0m0s": "2h", "250ms": "250ms", "90s": "1m30s", "0": "0s", "1h0m5s": "1h0m5s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if d.String() != want {
			t.Errorf("%s is written %s, want %s", text, d, want)
		}
		type holder struct {
			D Duration `json:"d" yaml:"d"`
		}
		var viaJSON, viaYAML holder
		j, err := json.Marshal(holder{d})
		if err != nil || json.Unmarshal(j, &viaJSON) != nil || viaJSON.D != d {
			t.Errorf("JSON %s: %v, %v", j, viaJSON, err)
		}
		y, err := yaml.Marshal(holder{d})
		if err != nil || yaml.Unmarshal(y, &viaYAML) != nil || viaYAML.D != d {
			t.Errorf("YAML %s: %v, %v", y, viaYAML, err)
		}
	}
}
