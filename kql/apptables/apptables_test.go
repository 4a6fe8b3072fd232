package apptables_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

func TestTablesAreFoundByName(t *testing.T) {
	for _, table := range apptables.All() {
		columns, ok := apptables.Lookup(table.Name)
		if !ok || len(columns) != len(table.Columns) {
			t.Errorf("%s: found %v with %d columns, want %d", table.Name, ok, len(columns), len(table.Columns))
		}
		seen := map[string]bool{}
		for _, c := range columns {
			if seen[c.Name] {
				t.Errorf("%s has two columns named %s", table.Name, c.Name)
			}
			seen[c.Name] = true
		}
	}
	if _, ok := apptables.Lookup("apprequests"); ok {
		t.Error("a table was found by a name in another case")
	}
}

func TestColumnsAreThoseOfTheReference(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "azure", "app-tables.schema.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the reference schema is not here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var reference map[string]map[string]string
	if err := json.Unmarshal(data, &reference); err != nil {
		t.Fatal(err)
	}
	if len(reference) != len(apptables.Names()) {
		t.Errorf("there are %d tables, the reference has %d", len(apptables.Names()), len(reference))
	}
	for name, want := range reference {
		columns, ok := apptables.Lookup(name)
		if !ok || len(columns) != len(want) {
			t.Errorf("%s: found %v, %d columns of %d", name, ok, len(columns), len(want))
		}
		for _, c := range columns {
			if typ, _ := column.ParseType(want[c.Name]); typ != c.Type {
				t.Errorf("%s.%s is %s, the reference says %q", name, c.Name, c.Type, want[c.Name])
			}
		}
	}
}
