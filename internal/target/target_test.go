package target

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/traffic"
)

var hex = strings.Repeat("0a1b2c3d", 8)

func pulled() *bundle.Pulled {
	return &bundle.Pulled{Repository: "127.0.0.1:5080/shop/svc", Digest: "sha256:" + hex, Bundle: bundle.Bundle{
		Service: "svc", Version: "1.2.3", Images: map[string]bundle.Image{"web": {Repository: "127.0.0.1:5080/shop/web", Digest: "sha256:" + hex}}}}
}

func TestReferencesInValuesAreResolvedForTheSlot(t *testing.T) {
	c := &charts{pulled: pulled(), env: config.Environment{Values: map[string]any{
		"image":    map[string]any{"repository": "${image:web.repository}", "tag": "${version}@${image:web.digest}", "full": "${image:web}", "hex": "${image:web.hex}"},
		"slot":     "${slot}",
		"args":     []any{"--name=${release}", 8080, true, nil},
		"replicas": 3,
		"literal":  "$${slot}",
	}}}
	got, err := c.values(release.Deployment{Release: "svc-green", Slot: "green"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"image": map[string]any{"repository": "127.0.0.1:5080/shop/web", "tag": "1.2.3@sha256:" + hex,
			"full": "127.0.0.1:5080/shop/web@sha256:" + hex, "hex": hex},
		"slot":     "green",
		"args":     []any{"--name=svc-green", 8080, true, nil},
		"replicas": 3,
		"literal":  "${slot}",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if c.env.Values["slot"] != "${slot}" {
		t.Error("the configuration itself was changed: the other slot would get these values")
	}
}

func TestAnUnknownReferenceNamesItselfAndTheBundle(t *testing.T) {
	for _, ref := range []string{"image:api", "image:web.tag", "colour"} {
		c := &charts{pulled: pulled(), env: config.Environment{Values: map[string]any{"a": []any{map[string]any{"b": "${" + ref + "}"}}}}}
		_, err := c.values(release.Deployment{Release: "svc", Slot: "blue"})
		if err == nil || !strings.Contains(err.Error(), "${"+ref+"}") || !strings.Contains(err.Error(), "sha256:0a1b") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestWithoutABundleNothingIsRendered(t *testing.T) {
	c := &charts{}
	if _, err := c.Backend(t.Context(), release.Deployment{Release: "svc"}); err == nil {
		t.Error("a backend was found without a chart")
	}
	if refs := c.workloads(t.Context(), release.Deployment{Release: "svc"}); refs != nil {
		t.Errorf("workloads were found without a chart: %v", refs)
	}
}

func TestTheServiceThatTakesTheTrafficIsPicked(t *testing.T) {
	web := chart.Service{Name: "svc-green-web", Ports: []chart.Port{{Name: "http", Number: 80}, {Name: "admin", Number: 9000}}}
	api := chart.Service{Name: "svc-green-api", Ports: []chart.Port{{Number: 8080}}}
	for name, c := range map[string]struct {
		services []chart.Service
		want     config.Backend
		service  string
		port     int
		err      string
	}{
		"the only one":         {[]chart.Service{web}, config.Backend{}, "svc-green-web", 80, ""},
		"by the release":       {[]chart.Service{web, api}, config.Backend{Service: "${release}-api"}, "svc-green-api", 8080, ""},
		"by name and port":     {[]chart.Service{web, api}, config.Backend{Service: "svc-green-web", Port: 9000}, "svc-green-web", 9000, ""},
		"the only one by port": {[]chart.Service{web}, config.Backend{Port: 9000}, "svc-green-web", 9000, ""},
		"none":                 {nil, config.Backend{}, "", 0, "no Service"},
		"several":              {[]chart.Service{web, api}, config.Backend{}, "", 0, "2 Services (svc-green-web, svc-green-api): say which one takes the traffic with backend.service"},
		"no such Service":      {[]chart.Service{web, api}, config.Backend{Service: "${release}"}, "", 0, "no Service svc-green (backend.service); it has svc-green-web, svc-green-api"},
		"no such port":         {[]chart.Service{web}, config.Backend{Port: 81}, "", 0, "no port 81"},
		"without any port":     {[]chart.Service{{Name: "svc-green"}}, config.Backend{}, "", 0, "no port"},
		"another reference":    {[]chart.Service{web}, config.Backend{Service: "${slot}"}, "", 0, "${release} only"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&charts{config: &config.Config{Backend: c.want}}).pick(c.services, "svc-green")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %+v, %v; want an error with %q", got, err, c.err)
				}
				return
			}
			if want := (traffic.Backend{Service: c.service, Port: c.port}); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestThePlanIsWhatTheStrategySays(t *testing.T) {
	cfg := &config.Config{Service: "svc"}
	min := config.Duration(time.Minute)
	for name, c := range map[string]struct {
		strategy config.Strategy
		want     release.Plan
	}{
		"rolling":    {config.Strategy{Rolling: &config.Rolling{Hold: min}}, release.Plan{Strategy: "rolling", Steps: []int{100}, Hold: time.Minute}},
		"blue-green": {config.Strategy{BlueGreen: &config.BlueGreen{Bake: min, Keep: true}}, release.Plan{Strategy: "blue-green", Steps: []int{100}, Bake: time.Minute, Keep: true}},
		"canary": {config.Strategy{Canary: &config.Canary{Steps: []int{5, 100}, Hold: min, Deadline: min}},
			release.Plan{Strategy: "canary", Steps: []int{5, 100}, Hold: time.Minute, Deadline: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			env := config.Environment{Namespace: "ns", Host: "h", Endpoint: "http://gw", Strategy: c.strategy, ReadyTimeout: min}
			got := plan(cfg, env, "prod", "gateway", pulled())
			want := c.want
			want.Service, want.Environment, want.Namespace, want.Host, want.Endpoint, want.Router = "svc", "prod", "ns", "h", "http://gw", "gateway"
			want.Bundle, want.Version, want.Ready = pulled().Reference(), "1.2.3", time.Minute
			if want.Deadline == 0 {
				want.Deadline = got.Deadline
			}
			if got.Deadline <= 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}
