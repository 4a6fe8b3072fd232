package scalar

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/slipway-cd/slipway/kql/column"
)

func encoding() []*Func {
	str := column.String
	one := func(name string, f func(s string) string) *Func {
		return define(name, str, need(text), strs(func(a []*column.Vector, i int) string { return f(a[0].Str(i)) }))
	}
	digest := func(name string, f func(b []byte) []byte) *Func {
		return define(name, str, need(display), strs(func(a []*column.Vector, i int) string {
			return hex.EncodeToString(f([]byte(a[0].Str(i))))
		})).onlyStrings()
	}
	all := []*Func{
		digest("hash_md5", func(b []byte) []byte { sum := md5.Sum(b); return sum[:] }),
		digest("hash_sha1", func(b []byte) []byte { sum := sha1.Sum(b); return sum[:] }),
		digest("hash_sha256", func(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }),
		one("url_encode", url.QueryEscape),
		one("url_encode_component", func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }),
		one("url_decode", func(s string) string {
			if plain, err := url.QueryUnescape(s); err == nil {
				return plain
			}
			return s
		}),
		define("base64_decode_toarray", column.Dynamic, need(text), dyns(func(a []*column.Vector, i int) column.Value {
			data, ok := decode64(a[0].Str(i))
			if !ok {
				return nil
			}
			list := make([]column.Value, len(data))
			for k, b := range data {
				list[k] = int64(b)
			}
			return list
		})),
		define("base64_decode_toguid", column.GUID, need(text), func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
			values, nulls := lift(args, n, func(a []*column.Vector, i int) (column.UUID, bool) {
				data, ok := decode64(a[0].Str(i))
				if !ok || len(data) != 16 {
					return column.UUID{}, false
				}
				return column.UUID(data), true
			})
			return column.NewGUIDs(values, nulls), nil
		}),
		define("gzip_decompress_from_base64_string", str, need(text), gunzip),
	}
	all = append(all, synonyms(one("base64_encode_tostring", func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(s))
	}), "base64_encodestring")...)
	all = append(all, synonyms(one("base64_decode_tostring", func(s string) string {
		if data, ok := decode64(s); ok && utf8.Valid(data) {
			return string(data)
		}
		return ""
	}), "base64_decodestring")...)
	return append(all, hashes()...)
}

// onlyStrings refuses what is hashed by its bytes in Kusto, whose layout is not documented.
func (f *Func) onlyStrings() *Func {
	resolve := f.Resolve
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if args[0] != column.String {
			return column.Invalid, fmt.Errorf("%s of %s is not supported: hash a string, for example with tostring()", f.Name, args[0])
		}
		return resolve(args)
	}
	return f
}

// hashes gives hash() and hash_xxhash64(), which are one: xxHash64 of a string, optionally modulo a number.
func hashes() []*Func {
	hash := define("hash", column.Long, opt(need(display), whole), ints(column.Long, func(a []*column.Vector, i int) (int64, bool) {
		sum := int64(xxhash.Sum64String(a[0].Str(i)))
		if len(a) < 2 {
			return sum, true
		}
		return positiveModulo(sum, a[1].Int(i))
	})).onlyStrings()
	return synonyms(hash, "hash_xxhash64")
}

func decode64(s string) ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(s)
	return data, err == nil
}

// gunzip unpacks; the bound on the bytes of a result holds for what is unpacked, so that a small text cannot fill the memory.
func gunzip(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	texts := make([]string, n)
	b := budget{left: c.MaxBytes}
	for i := range texts {
		data, ok := decode64(args[0].Str(i))
		if !ok {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			continue
		}
		var source io.Reader = z
		if b.left > 0 {
			source = io.LimitReader(z, b.left-b.spent+1)
		}
		plain, err := io.ReadAll(source)
		if err := b.take(len(plain)); err != nil {
			return nil, err
		}
		if err == nil {
			texts[i] = string(plain)
		}
	}
	return column.NewStrings(texts), nil
}
