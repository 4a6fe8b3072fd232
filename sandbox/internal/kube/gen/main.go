// Command gen writes the Gateway API's standard resource definitions, taken
// from the module that go.mod names, as JSON without their descriptions: those
// are nine tenths of the size, and the API server would hold them in memory.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DIRECTORY")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return fmt.Errorf("find the gateway-api module: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "config/crd/standard/gateway.networking.k8s.io_*.yaml"))
	if err != nil {
		return err
	}
	n := 0
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a definition: %w", err)
		}
		var def map[string]any
		if err := yaml.Unmarshal(raw, &def); err != nil || def["kind"] != "CustomResourceDefinition" {
			continue // the admission policy that guards against older definitions is several documents
		}
		strip(def)
		data, err := json.Marshal(def)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".yaml") + ".json"
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write a definition: %w", err)
		}
		n++
	}
	if n == 0 {
		return fmt.Errorf("no definition found among %d files", len(paths))
	}
	return nil
}

// strip removes the description of every schema, but not a property of that name.
func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if _, text := e.(string); k == "description" && text {
				delete(v, k)
				continue
			}
			strip(e)
		}
	case []any:
		for _, e := range v {
			strip(e)
		}
	}
}
