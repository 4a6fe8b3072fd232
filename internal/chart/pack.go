package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"path"
	"time"
)

// Package writes the chart as the .tgz that `helm package` would write, except that the bytes depend on nothing but
// the names and contents of the chart's files: not on the directory, the machine, the time, file modes or owners.
// (They may change with the Go release that this program is built with, whose compressor they come from.)
func Package(ch *Chart) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("packaging chart %s: %w", ch.Name(), err)
	}
	archive := tar.NewWriter(zip)
	for _, f := range ch.files {
		header := &tar.Header{
			Format:   tar.FormatPAX,
			Typeflag: tar.TypeReg,
			Name:     path.Join(ch.Name(), f.Name),
			Mode:     0o644,
			Size:     int64(len(f.Data)),
			ModTime:  time.Unix(0, 0).UTC(),
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packaging chart %s: %s: %w", ch.Name(), f.Name, err)
		}
		if _, err := archive.Write(f.Data); err != nil {
			return nil, fmt.Errorf("packaging chart %s: %s: %w", ch.Name(), f.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("packaging chart %s: %w", ch.Name(), err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("packaging chart %s: %w", ch.Name(), err)
	}
	return out.Bytes(), nil
}
