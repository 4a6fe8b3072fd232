package measure

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func events(t *testing.T, lines ...string) []event {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := readEvents(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatAReleaseDidIsReadFromItsEvents(t *testing.T) {
	all := events(t,
		`{"time":"2026-01-02T03:04:05Z","kind":"started","phase":"deploy","fields":[{"key":"candidate","value":"green"}]}`,
		`{"time":"2026-01-02T03:04:06Z","kind":"phase","phase":"deploy"}`,
		`{"time":"2026-01-02T03:04:08Z","kind":"phase","phase":"step"}`,
		`{"time":"2026-01-02T03:04:08.5Z","kind":"phase","phase":"step"}`,
		`{"time":"2026-01-02T03:04:09Z","kind":"phase","phase":"rollback"}`,
		`{"time":"2026-01-02T03:04:10Z","kind":"verified","phase":"rollback","weight":0}`)
	if got := field(all, "candidate"); got != "green" {
		t.Errorf("candidate %q, want green", got)
	}
	e, err := first(all, "verified", "rollback")
	if err != nil || e.Time.Second() != 10 {
		t.Errorf("verified %v, %v", e.Time, err)
	}
	if _, err := first(all, "verified", "step"); err == nil {
		t.Error("an event that is not there should be an error: nothing would have been measured")
	}
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	took := phases(all, began, began.Add(6*time.Second))
	for phase, want := range map[string]float64{"start of the process": 1000, "deploy": 2000, "step": 1000, "rollback": 2000} {
		if took[phase] != want {
			t.Errorf("phase %s took %v ms, want %v (%v)", phase, took[phase], want, took)
		}
	}
}

func TestABrokenRecordIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEvents(path); err == nil {
		t.Error("no error")
	}
}

func TestPatchesAreJSON(t *testing.T) {
	for _, r := range routers {
		for _, patch := range []string{r.half, r.none} {
			if !json.Valid([]byte(patch)) {
				t.Errorf("router %s: %s", r.name, patch)
			}
		}
	}
}
