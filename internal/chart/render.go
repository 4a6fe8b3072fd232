package chart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chartcommon "helm.sh/helm/v4/pkg/chart/common/util"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// RenderOptions say for whom a chart is rendered.
type RenderOptions struct {
	Release   string
	Namespace string
	Values    map[string]any
	// KubeVersion is the cluster's version ("v1.34.4"). Without it templates see that of the Kubernetes libraries
	// built in, and the chart's own kubeVersion is not held against it.
	KubeVersion string
	// APIVersions are added to those that Kubernetes itself has ("gateway.networking.k8s.io/v1").
	APIVersions []string
	// Upgrade sets .Release.IsUpgrade instead of .Release.IsInstall.
	Upgrade bool
}

// Manifest is what a chart renders to.
type Manifest struct {
	// Text is the YAML of all objects but hooks, in the order in which they are created.
	Text string
	// Objects are the same, parsed; Lists are taken apart.
	Objects []*unstructured.Unstructured
	// Hooks are the objects of the chart's hooks (Jobs that run before an upgrade, tests).
	Hooks []*unstructured.Unstructured
}

// Service is one Service of a manifest.
type Service struct {
	Name  string
	Ports []Port
}

// Port is one port of a Service. Name is empty where the chart gives none.
type Port struct {
	Name   string
	Number int
}

// Services gives the Services among the manifest's objects, in its order.
func (m *Manifest) Services() []Service {
	var services []Service
	for _, o := range m.Objects {
		if o.GetKind() != "Service" || o.GetAPIVersion() != "v1" {
			continue
		}
		s := Service{Name: o.GetName()}
		ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
		for _, p := range ports {
			if fields, ok := p.(map[string]any); ok {
				number, _, _ := unstructured.NestedInt64(fields, "port")
				label, _, _ := unstructured.NestedString(fields, "name")
				s.Ports = append(s.Ports, Port{Name: label, Number: int(number)})
			}
		}
		services = append(services, s)
	}
	return services
}

// Render renders the chart without contacting a cluster: the template function `lookup` finds nothing.
// Values that the chart's schema refuses give a [*ValuesError], templates that fail a [*RenderError].
func (c *Chart) Render(ctx context.Context, opts RenderOptions) (*Manifest, error) {
	return Render(ctx, c, opts)
}

// Render is [Chart.Render].
func Render(ctx context.Context, ch *Chart, opts RenderOptions) (*Manifest, error) {
	chrt, err := ch.fresh()
	if err != nil {
		return nil, err
	}
	caps := common.DefaultCapabilities.Copy()
	if opts.KubeVersion != "" {
		version, err := common.ParseKubeVersion(opts.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("rendering chart %s: %q is no Kubernetes version: %w", ch.Name(), opts.KubeVersion, err)
		}
		caps.KubeVersion = *version
	}
	caps.APIVersions = append(append(common.VersionSet{}, caps.APIVersions...), opts.APIVersions...)
	if want := ch.meta.KubeVersion; want != "" && opts.KubeVersion != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.String()) {
		return nil, &RenderError{Chart: ch.Name(), Problem: Problem{File: "Chart.yaml", Reason: fmt.Sprintf(
			"the chart wants Kubernetes %s; this is %s", want, caps.KubeVersion.Version)}}
	}
	values := cloneValues(opts.Values)
	if err := chartutil.ProcessDependencies(chrt, values); err != nil {
		return nil, &RenderError{Chart: ch.Name(), Problem: problemOf(err), Err: err}
	}
	render, err := chartcommon.ToRenderValues(chrt, values, common.ReleaseOptions{
		Name: opts.Release, Namespace: opts.Namespace, Revision: 1, IsInstall: !opts.Upgrade, IsUpgrade: opts.Upgrade}, caps)
	if err != nil {
		if refused := valuesError(ch.Name(), err); refused != nil {
			return nil, refused
		}
		return nil, &RenderError{Chart: ch.Name(), Problem: problemOf(err), Err: err}
	}
	files, err := engine.Engine{}.RenderWithContext(ctx, chrt, render)
	if err != nil {
		return nil, &RenderError{Chart: ch.Name(), Problem: problemOf(err), Err: err}
	}
	for file := range files {
		if strings.HasSuffix(file, "NOTES.txt") {
			delete(files, file)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, &RenderError{Chart: ch.Name(), Problem: problemOf(err), Err: err}
	}
	result := &Manifest{}
	var text strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", m.Name, m.Content)
		if result.Objects, err = parse(result.Objects, m.Content); err != nil {
			return nil, renderedWrong(ch, m.Name, err)
		}
	}
	for _, h := range hooks {
		if result.Hooks, err = parse(result.Hooks, h.Manifest); err != nil {
			return nil, renderedWrong(ch, h.Path, err)
		}
	}
	result.Text = text.String()
	return result, nil
}

func renderedWrong(ch *Chart, file string, err error) error {
	p := problemOf(err)
	p.File = inChart(file)
	return &RenderError{Chart: ch.Name(), Problem: p, Err: err}
}

// parse adds the object in one YAML document, or each item of a List.
func parse(objects []*unstructured.Unstructured, text string) ([]*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	if string(data) == "null" {
		return objects, nil
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	if o.IsList() {
		list, err := o.ToList()
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
		return objects, nil
	}
	if o.GetName() == "" && o.GetGenerateName() == "" {
		return nil, errors.New("the " + o.GetKind() + " has no metadata.name")
	}
	return append(objects, o), nil
}
