package lock

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// OnDeath says what becomes of a lock whose owner dies.
type OnDeath uint8

const (
	// Poison makes Lock call Repair, or return ErrPoisoned until Recover succeeded.
	Poison = OnDeath(robust.Poison)
	// Release lets the next locker have the lock.
	Release = OnDeath(robust.Release)
)

func (o OnDeath) String() string {
	switch o {
	case Poison:
		return "Poison"
	case Release:
		return "Release"
	}
	return "unset"
}

// Spec is the geometry of a Mutex or RWMutex. It is stored with it. A zero field means the
// default at creation, and "any" at opening.
type Spec struct {
	OnDeath OnDeath // default Poison
}

// request returns the wish for an object of that kind, a mutex or the like, and spec.
func (s Spec) request(name string, kind *object.Kind) (object.Request, error) {
	stored := object.Spec{uint64(s.OnDeath)}
	if s.OnDeath == 0 {
		stored[0] = uint64(Poison)
	}
	if s.OnDeath > Release {
		return object.Request{}, fmt.Errorf("lock: spec {OnDeath: %d}: %w", s.OnDeath, fs.ErrInvalid)
	}
	return object.Request{
		Name: name, Kind: kind, Spec: stored,
		Match: func(_ string, stored object.Spec) *object.Mismatch {
			if have := OnDeath(stored[0]); s.OnDeath != 0 && have != s.OnDeath {
				return &object.Mismatch{Field: "OnDeath", Have: have.String(), Want: s.OnDeath.String()}
			}
			return nil
		},
	}, nil
}
