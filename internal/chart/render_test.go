package chart

import (
	"errors"
	"strings"
	"testing"
)

func TestRenderErrorsNameFileAndReason(t *testing.T) {
	for _, test := range []struct {
		name, template string
		opts           RenderOptions
		file           string
		line           int
		reason         string
	}{
		{"required", "a: 1\nb: {{ required \"give me a host\" .Values.host }}\n", RenderOptions{}, "templates/service.yaml", 2, "give me a host"},
		{"fail", "{{ fail \"no way\" }}\n", RenderOptions{}, "templates/service.yaml", 1, "no way"},
		{"nil pointer", "a: 1\nb: {{ .Values.none.deep }}\n", RenderOptions{}, "templates/service.yaml", 2, "nil pointer"},
		{"no YAML", "apiVersion: v1\nkind: Service\n  metadata: [\n", RenderOptions{}, "templates/service.yaml", 3, ""},
		{"no name", "apiVersion: v1\nkind: Service\n", RenderOptions{}, "templates/service.yaml", 0, "metadata.name"},
		{"no kind", "a: 1\n", RenderOptions{}, "templates/service.yaml", 0, "Kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ch, err := Load(edit(t, map[string]string{"templates/service.yaml": test.template}))
			if err != nil {
				t.Fatal(err)
			}
			test.opts.Release = "web"
			_, err = Render(t.Context(), ch, test.opts)
			var failed *RenderError
			if !errors.As(err, &failed) {
				t.Fatalf("got %T %v", err, err)
			}
			if p := failed.Problem; p.File != test.file || p.Line != test.line || !strings.Contains(p.Reason, test.reason) {
				t.Errorf("got %+v", p)
			}
			t.Log(err)
		})
	}
}

func TestRenderRefusesAKubernetesThatTheChartDoesNotWant(t *testing.T) {
	ch, err := Load(edit(t, map[string]string{"Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.0.0\nkubeVersion: '>=1.30.0-0'\n"}))
	if err != nil {
		t.Fatal(err)
	}
	var failed *RenderError
	if _, err := Render(t.Context(), ch, RenderOptions{Release: "web", KubeVersion: "v1.29.1"}); !errors.As(err, &failed) || !strings.Contains(err.Error(), "v1.29.1") {
		t.Errorf("got %v", err)
	}
	if _, err := Render(t.Context(), ch, RenderOptions{Release: "web", KubeVersion: "v1.34.4-gke.1"}); err != nil {
		t.Error(err)
	}
}

func TestRenderTellsWhichValueTheSchemaRefuses(t *testing.T) {
	_, err := Render(t.Context(), loadPlain(t), RenderOptions{Release: "web", Values: map[string]any{"replicas": -1, "image": 7}})
	var refused *ValuesError
	if !errors.As(err, &refused) || len(refused.Problems) != 2 {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"chart plain", "replicas: minimum", "image: got number, want string"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestRenderNeitherChangesTheChartNorTheValues(t *testing.T) {
	ch, values := loadPlain(t), map[string]any{"replicas": uint64(12345678), "extra": map[string]any{
		"apiVersion": "v1", "kind": "List", "items": []any{
			map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "one"}},
			map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "two"}}}}}
	first, err := Render(t.Context(), ch, RenderOptions{Release: "web", Values: values})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Render(t.Context(), ch, RenderOptions{Release: "web", Values: values})
	if err != nil || first.Text != again.Text {
		t.Errorf("the second rendering differs, %v", err)
	}
	if _, ok := values["replicas"].(uint64); !ok || len(values) != 2 {
		t.Errorf("the values were changed: %v", values)
	}
	if !strings.Contains(first.Text, "replicas: 12345678\n") {
		t.Error("a large number was not printed as it was given")
	}
	if len(first.Objects) != 4 {
		t.Errorf("the List was not taken apart: %d objects", len(first.Objects))
	}
}

func TestRenderSetsHooksApart(t *testing.T) {
	m, err := Render(t.Context(), loadPlain(t), RenderOptions{Release: "web", Values: map[string]any{"hook": true}})
	if err != nil || len(m.Hooks) != 1 || len(m.Objects) != 2 || m.Hooks[0].GetName() != "web-hook" {
		t.Errorf("got %v, %v", m, err)
	}
	want := []Service{{"web", []Port{{"http", 80}, {"metrics", 9090}}}}
	if got := m.Services(); len(got) != 1 || got[0].Name != want[0].Name || len(got[0].Ports) != 2 || got[0].Ports[1] != want[0].Ports[1] {
		t.Errorf("services %v", got)
	}
}
