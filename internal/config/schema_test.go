package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	yaml "github.com/goccy/go-yaml"
	invopop "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write schema.json and the golden files anew")

const (
	orReference     = `|.*\$\{.*`
	labelPattern    = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	guidPattern     = `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`
	percentPattern  = `[0-9]+(\.[0-9]+)? ?%`
	factorPattern   = `[0-9]+(\.[0-9]+)? ?[x×]`
	durationPattern = `^(0|([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+` + orReference + `)$`
)

// makeSchema reflects the types and adds what their Go types cannot say.
func makeSchema(t *testing.T) []byte {
	t.Helper()
	r := &invopop.Reflector{FieldNameTag: "yaml", BaseSchemaID: "https://slipway.dev/schema"}
	r.Mapper = func(of reflect.Type) *invopop.Schema {
		if of == reflect.TypeFor[Duration]() {
			return &invopop.Schema{AnyOf: []*invopop.Schema{
				{Type: "string", Pattern: durationPattern}, {Const: 0},
			}}
		}
		if of == reflect.TypeFor[Percent]() {
			return &invopop.Schema{Type: "string", Pattern: "^(" + percentPattern + orReference + ")$"}
		}
		if of == reflect.TypeFor[Tolerance]() {
			part := "(" + percentPattern + "|" + factorPattern + ")"
			return &invopop.Schema{Type: "string", Pattern: `^(` + part + `( *\+ *` + part + `)?` + orReference + `)$`}
		}
		return nil
	}
	if err := r.AddGoComments("github.com/slipway-cd/slipway/internal/config", ".", invopop.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&Config{})
	s.ID, s.Title = "https://slipway.dev/schema/v1.json", "slipway.yaml"
	property := func(of, name string) *invopop.Schema {
		p, ok := s.Definitions[of].Properties.Get(name)
		if !ok {
			t.Fatalf("%s has no property %s", of, name)
		}
		return p
	}
	pattern := func(of, name, expr string) { property(of, name).Pattern = "^(" + expr + orReference + ")$" }
	between := func(of, name, low, high string) {
		p := property(of, name)
		p.Minimum, p.Maximum = json.Number(low), json.Number(high)
	}
	exactlyOne := func(of string, keys ...string) {
		for _, key := range keys {
			s.Definitions[of].OneOf = append(s.Definitions[of].OneOf, &invopop.Schema{Required: []string{key}})
		}
	}
	names := func(of, name, expr string) {
		property(of, name).PropertyNames = &invopop.Schema{Pattern: "^" + expr + "$"}
	}
	property("Config", "apiVersion").Const = APIVersion
	pattern("Config", "service", `[a-z]([-a-z0-9]*[a-z0-9])?`)
	pattern("Config", "registry", `[a-zA-Z0-9][-._a-zA-Z0-9]*(:[0-9]{1,5})?(/[-._a-z0-9]+)*`)
	names("Config", "environments", labelPattern)
	names("Config", "gates", labelPattern)
	names("Build", "images", `[a-z0-9]+((_|__|-+|/)[a-z0-9]+)*`)
	one := uint64(1)
	property("Config", "environments").MinProperties = &one
	between("Backend", "port", "1", "65535")
	exactlyOne("Image", "go", "dockerfile")
	exactlyOne("Strategy", "rolling", "blueGreen", "canary")
	exactlyOne("Gate", "probe", "kubernetes", "requests", "exceptions", "dependencies", "availability", "kql", "prometheus")
	exactlyOne("Prometheus", "url", "metrics")
	pattern("Prometheus", "url", `https?://[^/@?#]+(/.*)?`)
	for _, o := range deadlineOutcomes {
		property("Judge", "onDeadline").Enum = append(property("Judge", "onDeadline").Enum, o)
	}
	for _, o := range lossOutcomes {
		property("Guardian", "onLoss").Enum = append(property("Guardian", "onLoss").Enum, o)
	}
	property("Judge", "minRequests").Minimum = "0"
	exactlyOne("Requests", "failureRate", "quantile")
	pattern("ApplicationInsights", "workspace", guidPattern)
	pattern("AKS", "subscription", guidPattern)
	names("Environment", "secrets", labelPattern)
	exactlyOne("SecretsBy", "csi", "externalSecrets")
	pattern("CSI", "clientID", guidPattern)
	pattern("CSI", "tenant", guidPattern)
	for _, kind := range storeKinds {
		property("ExternalSecrets", "kind").Enum = append(property("ExternalSecrets", "kind").Enum, kind)
	}
	s.Definitions["Vault"] = &invopop.Schema{Description: s.Definitions["Vault"].Description,
		AnyOf: []*invopop.Schema{{Type: "string", Pattern: `^(https://.+` + orReference + `)$`}, s.Definitions["Vault"]}}
	pattern("Azure", "tenant", guidPattern)
	pattern("Azure", "clientID", guidPattern)
	for _, c := range clouds {
		property("Azure", "cloud").Enum = append(property("Azure", "cloud").Enum, c)
	}
	for _, e := range []string{"authority", "logs", "management"} {
		pattern("AzureEndpoints", e, `https://.+`)
	}
	quantile := property("Requests", "quantile")
	quantile.ExclusiveMinimum, quantile.ExclusiveMaximum = "0", "1"
	property("KQL", "looks").Minimum = "1"
	s.Definitions["Router"].MaxProperties = &one
	pattern("Environment", "namespace", labelPattern)
	pattern("Environment", "host", labelPattern+`(\.`+labelPattern+`)*`)
	pattern("Environment", "endpoint", `https?://[^/@?#]+/?`)
	pattern("Guardian", "endpoint", `https?://[^/@?#]+/?`)
	pattern("Guardian", "image", `.+@sha256:[0-9a-f]{64}`)
	property("Environment", "gates").UniqueItems = true
	between("Auto", "start", "1", "99")
	property("Auto", "budget").Minimum = "1"
	steps := property("Canary", "steps")
	steps.MinItems, steps.UniqueItems = &one, true
	steps.Items.Minimum, steps.Items.Maximum = "1", "100"
	property("Gate", "at").Enum = []any{"smoke", "steps"}
	pattern("Probe", "path", `/[^ \t\n#]*`)
	for _, m := range methods {
		property("Probe", "method").Enum = append(property("Probe", "method").Enum, m)
	}
	between("Probe", "count", "1", "100000")
	property("Probe", "allowedFailures").Minimum = "0"
	between("Expect", "status", "100", "599")
	property("Kubernetes", "restarts").Minimum = "0"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestSchemaIsUpToDateWithTheTypesAndTheirComments(t *testing.T) {
	made := makeSchema(t)
	if *update {
		if err := os.WriteFile("schema.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(made, Schema()) {
		t.Error("schema.json is out of date: run go test ./internal/config -run Schema -update")
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(makeSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("slipway.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("slipway.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func schemaAccepts(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemaAcceptsWhatTheLoaderAccepts(t *testing.T) {
	s := compileSchema(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no good files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, text, testEnv); err != nil {
			t.Error(err)
		}
		if err := schemaAccepts(t, s, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefusesWhatTheLoaderRefusesWhereASchemaCanSayIt(t *testing.T) {
	s := compileSchema(t)
	if err := schemaAccepts(t, s, []byte(minimal)); err != nil {
		t.Fatalf("the example that the cases change: %v", err)
	}
	for _, c := range refused {
		if c.onlyLoader {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if err := schemaAccepts(t, s, []byte(c.text())); err == nil {
				t.Errorf("the schema accepts\n%s", c.text())
			}
		})
	}
}
