package semaphore

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/permit"
)

// Kind says who may release.
type Kind uint8

const (
	// Bounded semaphores have permits that are held, and released, by the process
	// that acquired them; there are never more than Spec.Permits.
	Bounded Kind = iota + 1
	// Signal semaphores have permits that are events: any process adds them by
	// Release, any process consumes them by Acquire.
	Signal
)

func (k Kind) String() string {
	switch k {
	case Bounded:
		return "Bounded"
	case Signal:
		return "Signal"
	}
	return "unset"
}

// Spec is the geometry of a semaphore. It is stored. A zero field means the
// default at creation, and "any" at opening.
type Spec struct {
	Permits int  // at the start; Bounded: 1 to 262143, and never more; Signal: 0 to 2147483647, not compared
	Kind    Kind // default Bounded
}

// request returns what is asked of the segment. A Bounded semaphore without
// permits is refused when it is made, not here, since zero may mean "any".
func (s Spec) request(name string) (object.Request, error) {
	if s.Permits < 0 || s.Kind > Signal {
		return object.Request{}, fmt.Errorf("semaphore: %q: %d permits of kind %v: %w", name, s.Permits, s.Kind, fs.ErrInvalid)
	}
	stored := object.Spec{uint64(s.Permits), uint64(max(s.Kind, Bounded))}
	return object.Request{
		Name:  name,
		Kind:  permit.Kind(),
		Spec:  stored,
		Match: s.match,
	}, nil
}

// match returns how a stored semaphore differs from what s names.
func (s Spec) match(_ string, stored object.Spec) *object.Mismatch {
	have := specOf(stored)
	if s.Kind != 0 && s.Kind != have.Kind {
		return &object.Mismatch{Field: "Kind", Have: have.Kind.String(), Want: s.Kind.String()}
	}
	if s.Permits != 0 && have.Kind == Bounded && s.Permits != have.Permits {
		return &object.Mismatch{Field: "Permits", Have: strconv.Itoa(have.Permits), Want: strconv.Itoa(s.Permits)}
	}
	return nil
}

func specOf(stored object.Spec) Spec {
	return Spec{Permits: int(stored[0]), Kind: Kind(stored[1])}
}
