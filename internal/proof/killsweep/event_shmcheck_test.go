//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of an event is "up" or "down".
type eventWorld struct{ e *lock.Event }

func eventStage() *stage {
	type w = *eventWorld
	type c = context.Context
	up, down := []move{sets("up")}, []move{sets("down")}
	raised := &relief{moves: up, do: relieve(func(_ c, w w) error {
		w.e.Set()
		return nil
	})}
	set := quietly(func(_ c, w w) error {
		w.e.Set()
		return nil
	})
	wait := quietly(func(ctx c, w w) error { return w.e.Wait(ctx) })
	isUp := []move{becomes("up", "up")}
	return &stage{
		name: "event",
		make: func(ctx c, seg *shm.Segment) error {
			_, err := lock.CreateEvent(ctx, seg, "e")
			return err
		},
		open: func(ctx c, p place) (world, error) {
			e, err := lock.OpenEvent(ctx, p.seg, "e")
			return &eventWorld{e}, err
		},
		peers: []string{"Set", "Clear"},
		operations: []*operation{
			{name: "Set", covers: names("lock.Event.Set"), begin: "down", moves: up, do: set},
			{name: "Set, up already", covers: names("lock.Event.Set"), begin: "up", moves: up, do: set},
			{name: "Set, another waits", covers: names("lock.Event.Set"), begin: "down", moves: up, beside: "Wait", relief: raised, do: set},
			{
				name: "Set, two others wait", covers: names("lock.Event.Set"), begin: "down", moves: up, beside: "Wait", two: true,
				relief: raised, variant: true, do: set,
			},
			{
				name: "Clear", covers: names("lock.Event.Clear"), begin: "up", moves: down,
				do: quietly(func(_ c, w w) error {
					w.e.Clear()
					return nil
				}),
			},
			{
				name: "IsSet", covers: names("lock.Event.IsSet"), begin: "up", moves: []move{says},
				do: on(func(_ c, w w) (string, error) { return w.state(context.Background()) }),
			},
			{name: "Wait", covers: names("lock.Event.Wait"), begin: "down", moves: isUp, relief: raised, do: wait},
			{name: "Wait, up already", covers: names("lock.Event.Wait"), begin: "up", moves: isUp, do: wait},
		},
	}
}

func (w *eventWorld) begin(_ context.Context, state string) error {
	if state == "up" {
		w.e.Set()
	} else {
		w.e.Clear()
	}
	return nil
}

func (w *eventWorld) state(context.Context) (string, error) {
	if w.e.IsSet() {
		return "up", nil
	}
	return "down", nil
}

func (w *eventWorld) work(ctx context.Context) error {
	w.e.Clear()
	if w.e.IsSet() {
		return errors.New("the event is up after Clear")
	}
	w.e.Set()
	return w.e.Wait(ctx)
}
