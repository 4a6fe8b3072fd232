package pause

import (
	"archive/tar"
	"io"
	"testing"
)

func TestTheImageHoldsTheProgramAndNothingElse(t *testing.T) {
	img, err := Image([]byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(r)
	h, err := files.Next()
	if err != nil || h.Name != "pause" || h.Mode&0o111 == 0 {
		t.Fatalf("%+v %v", h, err)
	}
	if _, err := files.Next(); err != io.EOF {
		t.Errorf("there is more: %v", err)
	}
	cfg, err := img.ConfigFile()
	if err != nil || cfg.Config.User != "65535:65535" || cfg.OS != "linux" || cfg.Architecture == "" {
		t.Errorf("%+v %v", cfg, err)
	}
}

func TestTheSameProgramMakesTheSameImage(t *testing.T) {
	var seen []string
	for range 2 {
		img, err := Image([]byte("program"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, d.String())
	}
	if seen[0] != seen[1] {
		t.Error(seen)
	}
}
