package permit

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

// KindID is the number of the kind "semaphore" in the directory.
const KindID = 11

// What Spec[1] says: who may release. Package semaphore exports them.
const (
	Bounded = 1
	Signal  = 2
)

const (
	// MaxBounded is how many permits a Bounded semaphore can have.
	MaxBounded = 1<<18 - 1
	// MaxSignal is how many permits of a Signal semaphore can be free at once.
	MaxSignal = math.MaxInt32

	maxSlots = slotMask
)

// What package semaphore returns; it exports them under these names.
var (
	ErrNoPermit = errors.New("semaphore: no permit free")
	ErrNotHeld  = errors.New("semaphore: released more than this process holds")
)

// Kind returns the kind of object "semaphore". Its Spec[0] is the number of
// permits at the start, Spec[1] is Bounded or Signal.
func Kind() *object.Kind {
	return &object.Kind{
		ID:       KindID,
		Name:     "semaphore",
		Size:     size,
		Format:   format,
		Attach:   func(r mem.Region, shape object.Shape) (object.Core, error) { return Attach(r, shape) },
		Describe: describe,
	}
}

func size(shape object.Shape) (int64, error) {
	permits, kind := shape.Spec[0], shape.Spec[1]
	switch {
	case kind != Bounded && kind != Signal:
		return 0, fmt.Errorf("semaphore: %d is no Kind: %w", kind, fs.ErrInvalid)
	case kind == Bounded && (permits < 1 || permits > MaxBounded):
		return 0, fmt.Errorf("semaphore: %d permits, want 1 to %d: %w", permits, MaxBounded, fs.ErrInvalid)
	case kind == Signal && permits > MaxSignal:
		return 0, fmt.Errorf("semaphore: %d permits, want at most %d: %w", permits, MaxSignal, fs.ErrInvalid)
	case shape.Slots < 1 || shape.Slots > maxSlots:
		return 0, fmt.Errorf("semaphore: %d participant slots, want 1 to %d: %w", shape.Slots, maxSlots, fs.ErrInvalid)
	}
	if kind == Signal {
		return headerSize, nil
	}
	return headerSize + accountSize*(int64(shape.Slots)+1), nil
}

func format(r mem.Region, shape object.Shape) error {
	c, err := Attach(r, shape)
	if err != nil {
		return err
	}
	if c.signal {
		c.head.tally.Store(uint64(newStock(int64(shape.Spec[0]), 0)))
	} else {
		c.head.tally.Store(uint64(newTally(c.limit, 0, 0, 0)))
	}
	return nil
}

func describe(shape object.Shape) string {
	kind := "bounded"
	if shape.Spec[1] == Signal {
		kind = "signal"
	}
	return fmt.Sprintf("permits=%d kind=%s", shape.Spec[0], kind)
}

// Core is a semaphore in a region, as any participant sees it.
type Core struct {
	head     *header
	accounts []account // by slot; empty for Signal
	limit    int64     // Bounded: all permits; Signal: the most that can be free
	signal   bool
}

// Attach returns the semaphore in r.
func Attach(r mem.Region, shape object.Shape) (*Core, error) {
	n, err := size(shape)
	if err != nil {
		return nil, err
	}
	if _, err := r.Sub(0, n); err != nil {
		return nil, err
	}
	head, err := mem.At[header](r, 0)
	if err != nil {
		return nil, err
	}
	if shape.Spec[1] == Signal {
		return &Core{head: head, limit: MaxSignal, signal: true}, nil
	}
	accounts, err := mem.Slice[account](r, headerSize, int64(shape.Slots)+1)
	if err != nil {
		return nil, err
	}
	return &Core{head: head, accounts: accounts, limit: int64(shape.Spec[0])}, nil
}

// policy is what becomes of bulk when its owner dies: whoever gathers has
// nothing half done that repair does not undo.
const policy = robust.Release
