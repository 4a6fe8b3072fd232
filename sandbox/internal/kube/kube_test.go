package kube

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestManifestsParseAndNameTheirNamespaces(t *testing.T) {
	for _, path := range []string{"manifests/10-base.yaml", "manifests/20-gateway.yaml"} {
		objects, err := readManifest(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if slices.Contains(clusterScoped, o.GetKind()) == (o.GetNamespace() != "") {
				t.Errorf("%s: %s %s has the namespace %q", path, o.GetKind(), o.GetName(), o.GetNamespace())
			}
			if r := resource(o).Resource; !strings.HasSuffix(r, "s") || r == "gatewaies" {
				t.Errorf("%s: the plural of %s is not %s", path, o.GetKind(), r)
			}
		}
	}
}

func TestABinaryWithoutDefinitionsSaysHowToBuildOne(t *testing.T) {
	_, err := readDefinitions(fstest.MapFS{})
	if err == nil || !strings.Contains(err.Error(), "make sandbox") {
		t.Errorf("the error is %v", err)
	}
}
