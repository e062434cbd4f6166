package array

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/vector"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// Spec is the geometry of an array. It is stored with the array. A zero field
// means the default at creation, and "any" at opening.
type Spec struct {
	Len     int          // elements; at least 1, no default
	OnDeath lock.OnDeath // of the array's own mutex; default lock.Poison; an Atomic only stores it
}

type verb func(ctx context.Context, seg *shm.Segment, req object.Request) (handle.Handle, error)

func (s Spec) validate() error {
	if s.Len < 0 || s.OnDeath > lock.Release {
		return fmt.Errorf("array: spec {Len: %d, OnDeath: %d}: %w", s.Len, s.OnDeath, fs.ErrInvalid)
	}
	return nil
}

// request returns the wish for an array of that spec.
func (s Spec) request(name string, kind *object.Kind, layout *mem.Layout) object.Request {
	stored := object.Spec{
		vector.SpecLen:    uint64(s.Len),
		vector.SpecSize:   uint64(layout.Size),
		vector.SpecPolicy: uint64(s.OnDeath),
	}
	if s.OnDeath == 0 {
		stored[vector.SpecPolicy] = uint64(lock.Poison)
	}
	return object.Request{
		Name: name, Kind: kind, Type: layout.Text, Spec: stored,
		Match: func(typ string, spec object.Spec) *object.Mismatch {
			if d := handle.MatchType(typ, layout.Text); d != nil {
				return d
			}
			return s.match(spec)
		},
	}
}

// match returns the difference between the stored spec and what s asks for.
func (s Spec) match(stored object.Spec) *object.Mismatch {
	if n := stored[vector.SpecLen]; s.Len != 0 && n != uint64(s.Len) {
		return &object.Mismatch{Field: "Len", Have: strconv.FormatUint(n, 10), Want: strconv.Itoa(s.Len)}
	}
	if p := stored[vector.SpecPolicy]; s.OnDeath != 0 && p != uint64(s.OnDeath) {
		return &object.Mismatch{Field: "OnDeath", Have: lock.OnDeath(p).String(), Want: s.OnDeath.String()}
	}
	return nil
}

// specOf returns the spec of the array that h refers to.
func specOf(h *handle.Handle) Spec {
	obj := handle.ObjectOf(h)
	if obj == nil {
		return Spec{}
	}
	return Spec{Len: int(obj.Shape.Spec[vector.SpecLen]), OnDeath: lock.OnDeath(obj.Shape.Spec[vector.SpecPolicy])}
}
