package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// copyOf copies a chart's directory, with other modes and times than the original's.
func copyOf(t *testing.T, dir string, mode fs.FileMode, mtime time.Time) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Chtimes(path, mtime, mtime)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// edit copies testdata/plain and writes files over it; empty content removes the file.
func edit(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := copyOf(t, "testdata/plain", 0o644, time.Now())
	for name, content := range files {
		path := filepath.Join(dir, name)
		if content == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packed(t *testing.T, dir string) []byte {
	t.Helper()
	ch, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tgz, err := Package(ch)
	if err != nil {
		t.Fatal(err)
	}
	return tgz
}

func TestPackageDependsOnContentAlone(t *testing.T) {
	a := packed(t, copyOf(t, "testdata/plain", 0o644, time.Unix(1e9, 0)))
	b := packed(t, copyOf(t, "testdata/plain", 0o755, time.Now()))
	if !bytes.Equal(a, b) {
		t.Error("two copies of one chart gave different packages")
	}
	// The digest is written down so that a change is noticed: it is what makes bundles of one commit equal.
	changed := packed(t, edit(t, map[string]string{"values.yaml": "replicas: 2\n"}))
	if bytes.Equal(a, changed) {
		t.Error("a changed chart gave the same package")
	}
	t.Logf("sha256:%x", sha256.Sum256(a))
}

func TestPackageSurvivesPackagingAgain(t *testing.T) {
	first := packed(t, "testdata/plain")
	ch, err := Open(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Package(ch)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Error("opening and packaging changed the package")
	}
	if ch.Name() != "plain" || ch.Version() != "1.2.3+build.4" || ch.AppVersion() != "7" {
		t.Errorf("opened %s %s %s", ch.Name(), ch.Version(), ch.AppVersion())
	}
}

func TestPackageHonoursHelmignoreAndNamesNoOwner(t *testing.T) {
	zip, err := gzip.NewReader(bytes.NewReader(packed(t, "testdata/plain")))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode != 0o644 || h.ModTime.Unix() != 0 {
			t.Errorf("%s has owner, mode or time: %+v", h.Name, h)
		}
	}
	if names[0] != "plain/Chart.yaml" || !slices.IsSorted(names[1:]) {
		t.Errorf("the order is %v", names)
	}
	if slices.Contains(names, "plain/notes-for-us.txt") {
		t.Error("a file that .helmignore names is in the package")
	}
}

func TestLoadTellsFileAndLineOfWhatIsBroken(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  Problem
	}{
		{"no Chart.yaml", map[string]string{"Chart.yaml": ""}, Problem{File: "Chart.yaml", Reason: "missing"}},
		{"Chart.yaml that is no YAML", map[string]string{"Chart.yaml": "name: x\n  version: [\n"}, Problem{File: "Chart.yaml", Line: 2, Reason: ""}},
		{"no version", map[string]string{"Chart.yaml": "apiVersion: v2\nname: plain\n"}, Problem{File: "Chart.yaml", Reason: "version is required"}},
		{"version that is none", map[string]string{"Chart.yaml": "apiVersion: v2\nname: plain\nversion: one\n"}, Problem{File: "Chart.yaml", Reason: "one"}},
		{"library", map[string]string{"Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.0.0\ntype: library\n"}, Problem{File: "Chart.yaml", Reason: "library"}},
		{"dependency not fetched", map[string]string{"Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.x, repository: 'https://example.test'}]\n"},
			Problem{File: "Chart.yaml", Reason: "helm dependency build"}},
		{"values that are no YAML", map[string]string{"values.yaml": "a: 1\nb: [\n"}, Problem{File: "values.yaml", Line: 2}},
		{"schema that is no JSON", map[string]string{"values.schema.json": "{"}, Problem{File: "values.schema.json"}},
		{"template that does not parse", map[string]string{"templates/service.yaml": "a: 1\nb: {{ if }}\n"}, Problem{File: "templates/service.yaml", Line: 2, Reason: "missing value for if"}},
		{"template with an unknown function", map[string]string{"templates/service.yaml": "a: 1\n\nb: {{ frobnicate 1 }}\n"}, Problem{File: "templates/service.yaml", Line: 3, Reason: "frobnicate"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(edit(t, test.files))
			var broken *BrokenError
			if !errors.As(err, &broken) {
				t.Fatalf("got %T %v", err, err)
			}
			p := broken.Problems[0]
			if p.File != test.want.File || (test.want.Line != 0 && p.Line != test.want.Line) || !strings.Contains(p.Reason, test.want.Reason) {
				t.Errorf("got %+v, want %+v", p, test.want)
			}
			t.Log(err)
		})
	}
}

func TestLoadOfNothingSaysSo(t *testing.T) {
	var broken *BrokenError
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.As(err, &broken) || !strings.Contains(err.Error(), "no such directory") {
		t.Errorf("got %v", err)
	}
	if _, err := Load("testdata/plain/Chart.yaml"); !errors.As(err, &broken) || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
	if _, err := Open([]byte("this is no archive")); !errors.As(err, &broken) {
		t.Errorf("got %v", err)
	}
}

func TestLoadForgivesTemplatesThatNeedValues(t *testing.T) {
	// Values may come from slipway.yaml: only rendering with them can tell.
	dir := edit(t, map[string]string{
		"templates/service.yaml": "a: {{ required \"give me a host\" .Values.host }}\nb: {{ .Values.none.deep }}\n",
		"values.schema.json":     `{"type": "object", "required": ["host"]}`,
	})
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}

func TestStockChartHasOneService(t *testing.T) {
	dir, err := chartutil.Create("stock", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Render(t.Context(), ch, RenderOptions{Release: "shop-blue", Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Service{{Name: "shop-blue-stock", Ports: []Port{{Name: "http", Number: 80}}}}
	if got := m.Services(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("services %v, want %v", got, want)
	}
	if len(m.Objects) < 3 || len(m.Hooks) != 1 || !strings.Contains(m.Text, "# Source: stock/templates/service.yaml") {
		t.Errorf("%d objects, %d hooks in\n%s", len(m.Objects), len(m.Hooks), m.Text)
	}
}
