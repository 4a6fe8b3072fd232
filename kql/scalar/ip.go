package scalar

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

func ipFunctions() []*Func {
	long, str, yes := column.Long, column.String, column.Bool
	compare := func(name string, result column.Type, bits int, parse func(string) (netip.Prefix, bool)) *Func {
		f := func(a []*column.Vector, i int) (int64, bool) {
			x, ok := parse(a[0].Str(i))
			y, ok2 := parse(a[1].Str(i))
			if !ok || !ok2 {
				return 0, false
			}
			size := min(x.Bits(), y.Bits())
			if len(a) > 2 {
				given := a[2].Int(i)
				if given < 0 || given > int64(bits) {
					return 0, false
				}
				size = min(size, int(given))
			}
			return int64(masked(x.Addr(), size).Compare(masked(y.Addr(), size))), true
		}
		k := ints(long, f)
		if result == yes {
			k = bools(func(a []*column.Vector, i int) (bool, bool) {
				c, ok := f(a, i)
				return c == 0, ok
			})
		}
		return define(name, result, opt(need(text, text), whole), k)
	}
	inRange := func(name string, parse func(string) (netip.Prefix, bool)) *Func {
		return define(name, yes, need(text, text), bools(func(a []*column.Vector, i int) (bool, bool) {
			ip, ok := parse(a[0].Str(i))
			within, ok2 := parse(a[1].Str(i))
			return ok && ok2 && within.Bits() <= ip.Bits() && within.Contains(ip.Addr()), ok && ok2
		}))
	}
	inAnyRange := func(name string, parse func(string) (netip.Prefix, bool)) *Func {
		return define(name, yes, many(texts, need(text)...), bools(func(a []*column.Vector, i int) (bool, bool) {
			ip, ok := parse(a[0].Str(i))
			for _, v := range candidates(a[1:], i) {
				within, valid := parse(Display(v))
				if ok && valid && within.Bits() <= ip.Bits() && within.Contains(ip.Addr()) {
					return true, true
				}
			}
			return false, ok
		}))
	}
	search := func(name string, repeat bool, match func(candidate, wanted string) bool) *Func {
		params := need(text, texts)
		if repeat {
			params = many(texts, need(text)...)
		}
		return define(name, yes, params, bools(func(a []*column.Vector, i int) (bool, bool) {
			found := addresses(a[0].Str(i))
			for _, wanted := range candidates(a[1:], i) {
				for _, ip := range found {
					if match(ip, Display(wanted)) {
						return true, true
					}
				}
			}
			return false, true
		}))
	}
	prefixed := func(ip, prefix string) bool {
		return ip == prefix || strings.HasSuffix(prefix, ".") && strings.HasPrefix(ip, prefix)
	}
	equal := func(a, b string) bool { return a == b }
	return []*Func{
		define("parse_ipv4", long, need(text), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			p, ok := parseIPv4(a[0].Str(i))
			return ipv4Number(p.Addr(), p.Bits()), ok
		})),
		define("parse_ipv4_mask", long, need(text, whole), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			p, ok := parseIPv4(a[0].Str(i))
			size := a[1].Int(i)
			if !ok || size < 0 || size > 32 {
				return 0, false
			}
			return ipv4Number(p.Addr(), min(p.Bits(), int(size))), true
		})),
		define("ipv4_is_private", yes, need(text), bools(func(a []*column.Vector, i int) (bool, bool) {
			p, ok := parseIPv4(a[0].Str(i))
			return p.Addr().IsPrivate(), ok
		})),
		define("ipv4_netmask_suffix", long, need(text), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			p, ok := parseIPv4(a[0].Str(i))
			return int64(p.Bits()), ok
		})),
		define("format_ipv4", str, opt(need(anyValue), whole), strs(func(a []*column.Vector, i int) string { return formatIPv4(a, i, false) })),
		define("format_ipv4_mask", str, need(anyValue, whole), strs(func(a []*column.Vector, i int) string { return formatIPv4(a, i, true) })),
		define("parse_ipv6", str, need(text), strs(func(a []*column.Vector, i int) string {
			p, ok := parseIPv6(a[0].Str(i))
			if !ok {
				return ""
			}
			return expanded(masked(p.Addr(), p.Bits()))
		})),
		define("parse_ipv6_mask", str, need(text, whole), strs(func(a []*column.Vector, i int) string {
			p, ok := parseIPv6(a[0].Str(i))
			size := a[1].Int(i)
			if !ok || size < 0 || size > 128 {
				return ""
			}
			return expanded(masked(p.Addr(), min(p.Bits(), int(size))))
		})),
		compare("ipv4_compare", long, 32, parseIPv4), compare("ipv4_is_match", yes, 32, parseIPv4),
		compare("ipv6_compare", long, 128, parseIPv6), compare("ipv6_is_match", yes, 128, parseIPv6),
		inRange("ipv4_is_in_range", parseIPv4), inRange("ipv6_is_in_range", parseIPv6),
		inAnyRange("ipv4_is_in_any_range", parseIPv4), inAnyRange("ipv6_is_in_any_range", parseIPv6),
		search("has_ipv4", false, equal), search("has_any_ipv4", true, equal),
		search("has_ipv4_prefix", false, prefixed), search("has_any_ipv4_prefix", true, prefixed),
	}
}

// parseIPv4 reads an address with or without a prefix length.
func parseIPv4(s string) (netip.Prefix, bool) {
	address, size, hasSize := strings.Cut(strings.TrimSpace(s), "/")
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is4() {
		return netip.Prefix{}, false
	}
	bits := 32
	if hasSize {
		if bits, err = strconv.Atoi(size); err != nil || bits < 0 || bits > 32 {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(ip, bits), true
}

// parseIPv6 reads an IPv6 address, or an IPv4 one as the IPv6 address that stands for it. The prefix length of an address in the
// notation of IPv4 counts its bits.
func parseIPv6(s string) (netip.Prefix, bool) {
	address, size, hasSize := strings.Cut(strings.TrimSpace(s), "/")
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, false
	}
	bits := 128
	if hasSize {
		if bits, err = strconv.Atoi(size); err != nil || bits < 0 || bits > 128 {
			return netip.Prefix{}, false
		}
		if strings.Contains(address, ".") {
			if bits += 96; bits > 128 {
				return netip.Prefix{}, false
			}
		}
	}
	return netip.PrefixFrom(netip.AddrFrom16(ip.As16()), bits), true
}

func masked(ip netip.Addr, bits int) netip.Addr {
	p, err := ip.Prefix(bits)
	if err != nil {
		return ip
	}
	return p.Addr()
}

func ipv4Number(ip netip.Addr, bits int) int64 {
	if !ip.Is4() {
		return 0
	}
	b := masked(ip, bits).As4()
	return int64(binary.BigEndian.Uint32(b[:]))
}

// expanded writes all eight groups, of an address that stands for IPv4 as well.
func expanded(ip netip.Addr) string {
	b := ip.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = fmt.Sprintf("%02x%02x", b[2*i], b[2*i+1])
	}
	return strings.Join(groups, ":")
}

// formatIPv4 writes a number or an address, with its first bits only.
func formatIPv4(a []*column.Vector, i int, withMask bool) string {
	bits := int64(32)
	if len(a) > 1 {
		bits = a[1].Int(i)
	}
	var ip netip.Addr
	switch v := a[0].Value(i).(type) {
	case int64:
		if v < 0 || v > 1<<32-1 {
			return ""
		}
		ip = netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	case string:
		p, ok := parseIPv4(v)
		if !ok {
			return ""
		}
		ip, bits = p.Addr(), min(bits, int64(p.Bits()))
	default:
		return ""
	}
	if bits < 0 || bits > 32 {
		return ""
	}
	if withMask {
		return masked(ip, int(bits)).String() + "/" + strconv.FormatInt(bits, 10)
	}
	return masked(ip, int(bits)).String()
}

// addresses finds the IPv4 addresses in a text. An address stands alone: beside letters, digits or a further dotted part it is none.
func addresses(s string) []string {
	var found []string
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !isTerm(r) && r != '.' }) {
		word = strings.Trim(word, ".")
		if ip, err := netip.ParseAddr(word); err == nil && ip.Is4() {
			found = append(found, word)
		}
	}
	return found
}
