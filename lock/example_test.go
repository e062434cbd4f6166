package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

func ExampleMutex() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	m, err := lock.OpenOrCreateMutex(ctx, seg, "ledger", lock.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	// What to do when a process was killed while it held the mutex is said once.
	// The processes that lock it see nothing of that.
	m.Repair = func() error { return undoHalfTransfer() }
	err = m.Do(ctx, func() error {
		fmt.Println("nobody else is in here, in any process")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: nobody else is in here, in any process
}

func undoHalfTransfer() error { return nil }

func ExampleEvent() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	ready, err := lock.OpenOrCreateEvent(ctx, seg, "ready")
	if err != nil {
		log.Fatal(err)
	}
	go func() { // mostly it is another process that says so
		fmt.Println("warmed up")
		ready.Set()
	}()
	if err := ready.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("set:", ready.IsSet())
	// Output:
	// warmed up
	// set: true
}

func ExampleBarrier() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	step, err := lock.OpenOrCreateBarrier(ctx, seg, "step", lock.BarrierSpec{Parties: 2})
	if err != nil {
		log.Fatal(err)
	}
	go func() { // mostly it is another process
		if _, err := step.Wait(ctx); err != nil {
			log.Print(err)
		}
	}()
	// If the other party dies while it waits, the error is lock.ErrBroken.
	if _, err := step.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("both have come")
	// Output: both have come
}

func ExampleCond() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	m, err := lock.OpenOrCreateMutex(ctx, seg, "m", lock.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	changed, err := lock.OpenOrCreateCond(ctx, m, "changed")
	if err != nil {
		log.Fatal(err)
	}
	items := 0 // in shared memory, as a rule
	go func() {
		err := m.Do(ctx, func() error {
			items = 3
			return changed.Signal()
		})
		if err != nil {
			log.Print(err)
		}
	}()
	err = m.Do(ctx, func() error {
		if err := changed.WaitFor(ctx, func() bool { return items > 0 }); err != nil {
			return err
		}
		fmt.Println(items, "items")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 3 items
}

func ExampleRWMutex() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	routes, err := lock.OpenOrCreateRWMutex(ctx, seg, "routes", lock.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	err = routes.RDo(ctx, func() error {
		fmt.Println("others may read too, and nobody writes")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: others may read too, and nobody writes
}

func ExampleTable() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	table, err := lock.OpenOrCreateTable(ctx, seg, "containers", lock.TableSpec{Len: 2048})
	if err != nil {
		log.Fatal(err)
	}
	number, err := table.Alloc() // to be kept with what it protects, in a database say
	if err != nil {
		log.Fatal(err)
	}
	m := table.At(number)
	err = m.Do(ctx, func() error {
		fmt.Println("container 0 is ours, number", number)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := table.Free(number); err != nil {
		log.Fatal(err)
	}
	fmt.Println("freed:", errors.Is(m.Lock(ctx), fs.ErrNotExist))
	// Output:
	// container 0 is ours, number 0
	// freed: true
}
