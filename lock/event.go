package lock

import (
	"context"
	"fmt"

	"github.com/shoal-ipc/shoal/internal/event"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Event is a flag that processes wait for. It is down at first, and stays as it
// is whoever dies. Its methods may be called at once by any number of goroutines
// and processes. A zero Event is a closed one; UnmarshalText makes it one to use.
//
// Set, Clear and IsSet take effect one after another in one order that everybody
// agrees on, and never block. They panic after Segment.Close, and Set and Clear
// also on a read-only segment, with an error that is fs.ErrClosed or
// fs.ErrPermission. What was done before a Set is seen by who learns of it, from
// Wait or IsSet.
type Event struct {
	base
	core *event.Event
}

// CreateEvent makes the event name in seg. It fails with fs.ErrExist if an object
// has that name, fs.ErrInvalid if the name is impossible, or a *shm.SpaceError. It
// waits only for the segment's other structural changes.
func CreateEvent(ctx context.Context, seg *shm.Segment, name string) (*Event, error) {
	return openEvent(ctx, seg, name, handle.Create)
}

// OpenEvent opens the event name in seg. It fails with fs.ErrNotExist if there is
// none, or a *shm.IncompatibleError if the name is another kind of object's.
func OpenEvent(ctx context.Context, seg *shm.Segment, name string) (*Event, error) {
	return openEvent(ctx, seg, name, handle.Open)
}

// OpenOrCreateEvent opens the event name in seg, set or not, or makes it. It fails
// as CreateEvent and OpenEvent do.
func OpenOrCreateEvent(ctx context.Context, seg *shm.Segment, name string) (*Event, error) {
	return openEvent(ctx, seg, name, handle.OpenOrCreate)
}

func openEvent(ctx context.Context, seg *shm.Segment, name string, how verb) (*Event, error) {
	h, err := how(ctx, seg, object.Request{Name: name, Kind: event.Kind()})
	if err != nil {
		return nil, err
	}
	core, err := event.New(handle.UseOf(&h), handle.ObjectOf(&h))
	if err != nil {
		return nil, fmt.Errorf("lock: open %q: %w", h.Name(), handle.Err(&h, err))
	}
	return &Event{base: h, core: core}, nil
}

// UnmarshalText makes e the event that text, from MarshalText of any process,
// names. It opens the segment once a process, and waits for that at most ten
// seconds. Nobody may use e meanwhile.
func (e *Event) UnmarshalText(text []byte) error {
	opened, err := openText(text, OpenEvent)
	if err != nil {
		return err
	}
	*e = *opened
	return nil
}

// Set puts the flag up and wakes all who wait, at once. If the process dies
// inside, the flag is up, and they are woken all the same, or it is as before.
func (e *Event) Set() {
	if e.core == nil {
		panic(errClosed())
	}
	if err := e.core.Set(); err != nil {
		complain(&e.base, err)
	}
}

// Clear takes the flag down. Who waited for a Set before it has waited enough.
func (e *Event) Clear() {
	if e.core == nil {
		panic(errClosed())
	}
	if err := e.core.Clear(); err != nil {
		complain(&e.base, err)
	}
}

// IsSet reports whether the flag is up.
func (e *Event) IsSet() bool {
	if e.core == nil {
		panic(errClosed())
	}
	is, err := e.core.IsSet()
	if err != nil {
		complain(&e.base, err)
	}
	return is
}

// Wait waits until the flag is up; a Set that comes while it waits ends it, even
// if a Clear follows at once. ctx ends it with ctx.Err(), also if ctx is done
// already and the flag is up, and Segment.Close with fs.ErrClosed. On a read-only
// segment it looks now and then, and so may miss a Set that is cleared soon. If
// the process dies inside, nothing is changed.
func (e *Event) Wait(ctx context.Context) error {
	if e.core == nil {
		return errClosed()
	}
	return public(&e.base, e.core.Wait(ctx))
}
