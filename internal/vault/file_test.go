package vault

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/slipway-cd/slipway/internal/secret"
)

// person makes an age identity in a file.
func person(t *testing.T) (file, recipient string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(file, []byte("# made by a test\n"+identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, identity.Recipient().String()
}

func read(t *testing.T, f *File, name string) string {
	t.Helper()
	values, err := f.Read(t.Context(), []Ref{{Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	return values[Ref{Name: name}].Secret.Reveal()
}

func set(t *testing.T, f *File, name, value string) Ref {
	t.Helper()
	ref, err := f.Set(t.Context(), name, secret.New(value))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

var awkward = []string{"swordfish", "true", "0123", "null", "a: b", "two\nlines\n", "- x", "ü \"'\\ #", " spaces ", "${vault:x}"}

func TestAnEncryptedFileGivesBackWhatWasSet(t *testing.T) {
	identity, mine := person(t)
	colleague, theirs := person(t)
	f := &File{Path: filepath.Join(t.TempDir(), "dev.age"), Identity: identity, Recipients: []string{mine, theirs}}
	for i, value := range awkward {
		set(t, f, "variable-"+string(rune('a'+i)), value)
	}
	for _, id := range []string{identity, colleague} {
		reader := &File{Path: f.Path, Identity: id}
		for i, value := range awkward {
			if got := read(t, reader, "variable-"+string(rune('a'+i))); got != value {
				t.Errorf("%q came back as %q", value, got)
			}
		}
	}
	raw, err := os.ReadFile(f.Path)
	if err != nil || bytes.Contains(raw, []byte("variable")) || !bytes.HasPrefix(raw, []byte("-----BEGIN AGE")) {
		t.Errorf("the file is %q, %v", raw, err)
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(f.Path)); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestAFileOfTheAgeCommandIsRead(t *testing.T) {
	identity, mine := person(t)
	recipients, err := age.ParseRecipients(strings.NewReader(mine))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer // binary, as `age -r` writes it
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "# comment\nredis-host: redis.example\nredis-port: 6380\nflag: true\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := &File{Path: filepath.Join(t.TempDir(), "dev.age"), Identity: identity}
	if err := os.WriteFile(f.Path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"redis-host": "redis.example", "redis-port": "6380", "flag": "true"} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestAVersionOfAFileNamesOneContent(t *testing.T) {
	identity, mine := person(t)
	f := &File{Path: filepath.Join(t.TempDir(), "dev.age"), Identity: identity, Recipients: []string{mine}}
	first := set(t, f, "redis", "a")
	values, err := f.Read(t.Context(), []Ref{first})
	if err != nil || values[first].Version != first.Version {
		t.Fatal(values, err)
	}
	infos, err := f.List(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Version != first.Version || infos[0].Name != "redis" {
		t.Errorf("listed %+v, %v", infos, err)
	}
	second := set(t, f, "redis", "a")
	if second == first {
		t.Error("the version tells that the value is the same")
	}
	var all *ReadError
	if _, err := f.Read(t.Context(), []Ref{first}); !errors.As(err, &all) || !strings.Contains(err.Error(), "redis has no version") {
		t.Errorf("an old version: %v", err)
	}
}

func TestWhatAFileLacksIsToldAtOnce(t *testing.T) {
	f := plainFile(t, "redis-host: h\n")
	_, err := f.Read(t.Context(), []Ref{{Name: "redis-hots"}, {Name: "zzz"}, {Name: "redis-host"}})
	var all *ReadError
	if !errors.As(err, &all) || len(all.Problems) != 2 || all.Asked != 3 || !strings.Contains(err.Error(), "did you mean redis-host?") {
		t.Errorf("got %v", err)
	}
	_, err = f.Read(t.Context(), []Ref{{Name: "a_b"}})
	if !errors.As(err, &all) || all.Problems[0].Reason != BadName {
		t.Errorf("got %v", err)
	}
}

func plainFile(t *testing.T, content string) *File {
	t.Helper()
	f := &File{Path: filepath.Join(t.TempDir(), "dev.yaml"), Plain: true}
	if err := os.WriteFile(f.Path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestATextIsTakenAsItIsWritten(t *testing.T) {
	for written, want := range map[string]string{
		"0123": "0123", "1.10": "1.10", "0x10": "0x10", "1_000": "1_000", "1e3": "1e3", "yes": "yes", "True": "True", ".inf": ".inf", "-7": "-7",
		"2026-01-02": "2026-01-02", "''": "", `"a\nb"`: "a\nb", "'it''s'": "it's", "|\n  a\n  b": "a\nb\n", "plain # comment": "plain",
	} {
		if got := read(t, plainFile(t, "first: x\nredis: "+written+"\n"), "redis"); got != want {
			t.Errorf("%q was read as %q", written, got)
		}
		if got := read(t, plainFile(t, "# one\nredis: "+written+"\n"), "redis"); got != want {
			t.Errorf("%q alone was read as %q", written, got)
		}
	}
}

func TestAnEmptyFileHasNoVariables(t *testing.T) {
	for _, content := range []string{"", "\n", "# only a comment\n", "---\n", "{}\n"} {
		if infos, err := plainFile(t, content).List(t.Context()); err != nil || len(infos) != 0 {
			t.Errorf("%q: %v, %v", content, infos, err)
		}
	}
}

func TestAFileThatIsNotWhatItShouldBeIsRefused(t *testing.T) {
	identity, mine := person(t)
	stranger, _ := person(t)
	encrypted := &File{Path: filepath.Join(t.TempDir(), "dev.age"), Identity: identity, Recipients: []string{mine}}
	set(t, encrypted, "redis", "swordfish")
	raw, err := os.ReadFile(encrypted.Path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Concat(raw[:len(raw)/2], raw[len(raw)/2+4:])
	write := func(content []byte) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write([]byte("redis: swordfish\n"))
	for _, c := range []struct {
		what string
		f    File
		say  string
	}{
		{"no file", File{Path: filepath.Join(t.TempDir(), "none"), Plain: true}, "no such file"},
		{"plain by mistake", File{Path: plain, Identity: identity}, "is not encrypted"},
		{"encrypted by mistake", File{Path: encrypted.Path, Plain: true}, "says that it is plain"},
		{"no identity", File{Path: encrypted.Path}, "no age identity is given"},
		{"an identity that is not there", File{Path: encrypted.Path, Identity: identity + "x"}, "no such file"},
		{"an identity that is none", File{Path: encrypted.Path, Identity: plain}, "age-keygen"},
		{"somebody else's", File{Path: encrypted.Path, Identity: stranger}, "encrypted for others"},
		{"damaged", File{Path: write(damaged), Identity: identity}, "cannot be decrypted"},
		{"not YAML", File{Path: write([]byte("redis: [swordfish")), Plain: true}, "not a YAML mapping"},
		{"a list", File{Path: write([]byte("- swordfish\n")), Plain: true}, "not a YAML mapping"},
		{"a mapping in it", File{Path: write([]byte("redis: {password: swordfish}\n")), Plain: true}, "not a YAML mapping"},
		{"a bad name", File{Path: write([]byte("redis_host: swordfish\n")), Plain: true}, `write "redis-host"`},
		{"no value", File{Path: write([]byte("other: swordfish\nredis:\n")), Plain: true}, "without a value"},
		{"null", File{Path: write([]byte("other: swordfish\nredis: ~\n")), Plain: true}, "without a value"},
		{"an alias", File{Path: write([]byte("other: &a swordfish\nredis: *a\n")), Plain: true}, "not a YAML mapping"},
		{"a tag", File{Path: write([]byte("redis: !!binary c3dvcmRmaXNo\n")), Plain: true}, "not a YAML mapping"},
		{"two documents", File{Path: write([]byte("redis: swordfish\n---\nredis: swordfish\n")), Plain: true}, "not a YAML mapping"},
		{"a name twice", File{Path: write([]byte("redis: swordfish\nredis: swordfish\n")), Plain: true}, "not a YAML mapping"},
	} {
		_, err := c.f.Read(t.Context(), []Ref{{Name: "redis"}})
		var broken *StoreError
		if !errors.As(err, &broken) || broken.Trouble != Broken || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), c.f.Path) {
			t.Errorf("%s: %v", c.what, err)
		}
		if err != nil && strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: the error tells the value: %v", c.what, err)
		}
	}
}

func TestAFileIsNotEncryptedForNobody(t *testing.T) {
	identity, _ := person(t)
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "dev.age"), Identity: identity}
	if _, err := f.Set(t.Context(), "redis", secret.New("swordfish")); err == nil || !strings.Contains(err.Error(), "no recipients") {
		t.Errorf("got %v", err)
	}
	f.Recipients = []string{"age1nonsense"}
	if _, err := f.Set(t.Context(), "redis", secret.New("swordfish")); err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestAValueThatCannotBeReadBackIsNotSet(t *testing.T) {
	f := plainFile(t, "redis: old\n")
	for _, value := range []string{"", "\xff", strings.Repeat("x", MaxValue+1)} {
		if _, err := f.Set(t.Context(), "redis", secret.New(value)); err == nil {
			t.Errorf("%.10q was set", value)
		}
	}
	if read(t, f, "redis") != "old" {
		t.Error("the old value is gone")
	}
}

func TestAFileThatCannotBeWrittenStaysAsItWas(t *testing.T) {
	f := plainFile(t, "redis: old\n")
	f.Path = filepath.Join(filepath.Dir(f.Path), "none", "dev.yaml")
	_, err := f.Set(t.Context(), "redis", secret.New("new"))
	var broken *StoreError
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("got %v", err)
	}
}

func FuzzAFileNeverPanicsNorTellsItsContent(f *testing.F) {
	for _, content := range []string{"a: b\n", "a: [swordfish", "-----BEGIN AGE ENCRYPTED FILE-----\n", "age-encryption.org/v1\n", "&a [*a]", "a: !!binary x"} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "dev.yaml")
		if err := os.WriteFile(path, []byte("marker: swordfish\n"+content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := (&File{Path: path, Plain: true}).Read(t.Context(), []Ref{{Name: "nope"}})
		if err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("got %v", err)
		}
	})
}
