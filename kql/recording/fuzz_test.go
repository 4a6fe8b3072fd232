package recording_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql/recording"
)

// FuzzFile opens files of any text: either they are refused with an error, or the table is the same once it comes from the cache.
func FuzzFile(f *testing.F) {
	f.Add([]byte(requests))
	f.Add([]byte(`{"Name":"a","Name":"b"}`))
	f.Add([]byte(`{"Properties":"[1,{\"a\":null}]","DurationMs":1e999}` + "\n{"))
	f.Add([]byte("{\"Properties\":\"\\ud800\"}\r\n\n[]"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := filepath.Join(dir, t.Name())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "AppRequests.jsonl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(dir, "AppRequests.columns"))
		first, err := recording.Open(dir)
		if err != nil {
			return
		}
		if want, got := dump(table(t, first, "AppRequests")), dump(table(t, open(t, dir), "AppRequests")); got != want {
			t.Errorf("from the file\n%s\nfrom the cache\n%s", want, got)
		}
	})
}

// FuzzCache puts any bytes where the cache is: the table is that of the file.
func FuzzCache(f *testing.F) {
	// All files have one time, so that a cache which is sound is the file's.
	files := func(t testing.TB, files map[string]string) string {
		dir := write(t, files)
		at := time.Unix(1_000_000_000, 0)
		if err := os.Chtimes(filepath.Join(dir, "AppRequests.jsonl"), at, at); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := files(f, map[string]string{"AppRequests.jsonl": requests})
	open(f, dir)
	cache := filepath.Join(dir, "AppRequests.columns")
	sound, err := os.ReadFile(cache)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add(sound[:len(sound)-32])
	f.Add([]byte("slipcol\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := files(t, map[string]string{"AppRequests.jsonl": requests, "AppRequests.columns": string(data)})
		if got := dump(table(t, open(t, dir), "AppRequests")); got != requestsDump {
			t.Errorf("got\n%s\nwant\n%s", got, requestsDump)
		}
	})
}
