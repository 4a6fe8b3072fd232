package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chartcommon "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

// Chart is a Helm chart held in memory. It is immutable and safe for concurrent use.
type Chart struct {
	source string // the directory or "archive", for messages
	files  []*archive.BufferedFile
	meta   helmchart.Metadata
	crds   bool
}

// Load reads a chart's directory, honouring .helmignore, and checks everything that can be checked without knowing
// the release's values: Chart.yaml, values.yaml, values.schema.json, the presence of dependencies and the syntax of
// each template. Whether the templates render with given values is for [Render] to say.
//
// The error is a [*BrokenError] when the chart is at fault, naming file and line where Helm tells them.
func Load(dir string) (*Chart, error) {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, broken(dir, Problem{Reason: "there is no such directory"})
	case err != nil:
		return nil, fmt.Errorf("reading chart %s: %w", dir, err)
	case !info.IsDir():
		return nil, broken(dir, Problem{Reason: "this is not a directory; name the directory that holds Chart.yaml"})
	}
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		return nil, broken(dir, Problem{File: "Chart.yaml", Reason: "the file is missing"})
	}
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, broken(dir, problemOf(err))
	}
	return check(dir, c)
}

// Open reads a packaged chart. It makes the same checks as [Load].
func Open(tgz []byte) (*Chart, error) {
	c, err := loader.LoadArchive(bytes.NewReader(tgz))
	if err != nil {
		return nil, broken("archive", problemOf(err))
	}
	return check("archive", c)
}

// Name of the chart, as Chart.yaml has it.
func (c *Chart) Name() string { return c.meta.Name }

// Version of the chart: a semantic version.
func (c *Chart) Version() string { return c.meta.Version }

// AppVersion is the free-form version of what the chart deploys; may be empty.
func (c *Chart) AppVersion() string { return c.meta.AppVersion }

// check makes a Chart of what Helm loaded, or says what is wrong with it.
func check(source string, loaded *helmchart.Chart) (*Chart, error) {
	c := &Chart{source: source, meta: *loaded.Metadata, crds: len(loaded.CRDObjects()) > 0}
	for _, f := range loaded.Raw {
		c.files = append(c.files, &archive.BufferedFile{Name: f.Name, Data: f.Data})
	}
	// One order for every machine: Chart.yaml first, because readers want it first, the rest by name.
	slices.SortFunc(c.files, func(a, b *archive.BufferedFile) int {
		if first := b2i(b.Name == "Chart.yaml") - b2i(a.Name == "Chart.yaml"); first != 0 {
			return first
		}
		return strings.Compare(a.Name, b.Name)
	})

	var problems []Problem
	if loaded.Metadata.Type == "library" {
		problems = append(problems, Problem{File: "Chart.yaml",
			Reason: "the chart's type is library; only an application chart can be released"})
	}
	problems = append(problems, missingDependencies(source, loaded)...)
	if loaded.Schema != nil {
		var refused chartcommon.JSONSchemaValidationError
		// Only the schema itself is judged here: values that do not fit it may yet come from slipway.yaml.
		if err := chartcommon.ValidateAgainstSingleSchema(map[string]any{}, loaded.Schema); err != nil && !errors.As(err, &refused) {
			p := problemOf(err)
			p.File = "values.schema.json"
			problems = append(problems, p)
		}
	}
	if len(problems) == 0 {
		if err := syntax(loaded); err != nil {
			problems = append(problems, problemOf(err))
		}
	}
	if len(problems) > 0 {
		return nil, broken(source, problems...)
	}
	return c, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func missingDependencies(source string, c *helmchart.Chart) []Problem {
	var problems []Problem
	for _, want := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(have *helmchart.Chart) bool { return have.Name() == want.Name }) {
			problems = append(problems, Problem{File: "Chart.yaml", Reason: fmt.Sprintf(
				"dependency %s %s is not in charts/; fetch it with `helm dependency build %s`", want.Name, want.Version, source)})
		}
	}
	return problems
}

// syntax parses every template. Helm's engine parses all of them before it executes the first, so an error that
// comes from execution (the default values may well be too few) proves that all of them parse.
func syntax(c *helmchart.Chart) error {
	values, err := chartcommon.ToRenderValuesWithSchemaValidation(c, map[string]any{},
		common.ReleaseOptions{Name: "release", Namespace: "default", IsInstall: true, Revision: 1}, nil, true)
	if err != nil {
		return fmt.Errorf("combining the default values: %w", err)
	}
	_, err = engine.Engine{}.RenderWithContext(context.Background(), c, values)
	if err != nil && strings.HasPrefix(err.Error(), "parse error") {
		return err
	}
	return nil
}

// fresh gives a copy that an operation may change: Helm's processing of dependencies edits the chart it is given.
func (c *Chart) fresh() (*helmchart.Chart, error) {
	copied, err := loader.LoadFiles(c.files)
	if err != nil {
		return nil, fmt.Errorf("reading chart %s: %w", c.Name(), err)
	}
	return copied, nil
}
