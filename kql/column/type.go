// Package column holds tables as typed columns: the memory that queries run over.
//
// A [Vector] is an immutable column. A [Builder] grows one and picks its encoding from the data: a constant, codes into a
// dictionary, or bytes in an arena. An [Appender] grows a whole table and hands out consistent snapshots that stay valid,
// and free of locks, while rows are added.
package column

import (
	"fmt"
	"strings"
)

// Type is a scalar type of the Kusto Query Language.
type Type uint8

// The scalar types. The zero Type is no type.
const (
	Invalid  Type = iota
	Bool          // true, false or null
	Int           // 32 bits, held as int64
	Long          // 64 bits
	Real          // IEEE 754 double
	Decimal       // exact decimal
	String        // UTF-8; never null, the empty string stands for nothing
	DateTime      // ticks of 100 ns since 0001-01-01 UTC
	TimeSpan      // ticks of 100 ns
	GUID          // 128 bits
	Dynamic       // a JSON-like value, see [Value]
)

var typeNames = [...]string{
	Invalid: "unknown", Bool: "bool", Int: "int", Long: "long", Real: "real", Decimal: "decimal", String: "string",
	DateTime: "datetime", TimeSpan: "timespan", GUID: "guid", Dynamic: "dynamic",
}

// String gives the name that the language uses, such as "datetime".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// ParseType reads a type's name or one of its synonyms ("boolean", "double", "date", "time", "int32" …).
func ParseType(name string) (Type, bool) {
	switch strings.ToLower(name) {
	case "bool", "boolean":
		return Bool, true
	case "int", "int32":
		return Int, true
	case "long", "int64":
		return Long, true
	case "real", "double":
		return Real, true
	case "decimal":
		return Decimal, true
	case "string":
		return String, true
	case "datetime", "date":
		return DateTime, true
	case "timespan", "time":
		return TimeSpan, true
	case "guid", "uuid", "uniqueid":
		return GUID, true
	case "dynamic":
		return Dynamic, true
	}
	return Invalid, false
}

// Numeric reports whether t is int, long, real or decimal.
func (t Type) Numeric() bool { return t == Int || t == Long || t == Real || t == Decimal }

// Integral reports whether values of t are held as int64: int, long, datetime and timespan.
func (t Type) Integral() bool { return t == Int || t == Long || t == DateTime || t == TimeSpan }
