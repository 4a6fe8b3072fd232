package scalar

import (
	"fmt"
	"time"
	_ "time/tzdata" // a query means the same on every machine, also one without time zones installed

	"github.com/slipway-cd/slipway/kql/column"
)

// zone is datetime_utc_to_local and datetime_local_to_utc.
func zone(name string, move func(t time.Time, zone *time.Location) time.Time) *Func {
	k := func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		var last string
		var place *time.Location
		values, nulls := lift(args, n, func(a []*column.Vector, i int) (int64, bool) {
			if zone := a[1].Str(i); place == nil || zone != last {
				var err error
				if place, err = loadZone(zone); err != nil {
					place = nil
					return 0, false
				}
				last = zone
			}
			return fromTime(move(column.Ticks(a[0].Int(i)).Time(), place))
		})
		return column.NewInts(column.DateTime, values, nulls), nil
	}
	return define(name, column.DateTime, need(date, text), k).check(func(consts []*column.Vector) error {
		if zone, ok := constText(consts, 1); ok {
			_, err := loadZone(zone)
			return err
		}
		return nil
	})
}

func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone: write one such as Europe/Paris", name)
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone: write one such as Europe/Paris: %w", name, err)
	}
	return place, nil
}

// fromUTC gives what clocks in the zone show at t, as if it were UTC.
func fromUTC(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.Add(time.Duration(offset) * time.Second)
}

// toUTC gives when clocks in the zone show t. A time that the clocks skip counts with the offset after the change, a time that they
// show twice with the one after it too: the standard time.
func toUTC(t time.Time, zone *time.Location) time.Time {
	_, after := t.Add(24 * time.Hour).In(zone).Zone()
	_, before := t.Add(-24 * time.Hour).In(zone).Zone()
	for _, offset := range []int{after, before} {
		u := t.Add(-time.Duration(offset) * time.Second)
		if _, actual := u.In(zone).Zone(); actual == offset {
			return u
		}
	}
	return t.Add(-time.Duration(after) * time.Second)
}
