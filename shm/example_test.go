package shm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// ledger is what the processes of a bank share, however often all of them end:
// the accounts, and the lock that belongs to them.
type ledger struct {
	seg      *shm.Segment
	accounts *array.Array[int64]
	transfer *lock.Mutex
}

// openLedger opens the ledger in dir. The first process makes it; the others find
// it complete, with 100 in the first account.
func openLedger(ctx context.Context, dir string) (*ledger, error) {
	opts := &shm.Options{Dir: dir, Init: func(seg *shm.Segment) error {
		accounts, err := array.Create[int64](ctx, seg, "accounts", array.Spec{Len: 3})
		if err != nil {
			return err
		}
		accounts.Set(0, 100)
		_, err = lock.CreateMutex(ctx, seg, "transfer", lock.Spec{})
		return err
	}}
	seg, err := shm.OpenOrCreate(ctx, "bank", shm.Spec{Lifetime: shm.Persistent}, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	accounts, err1 := array.Open[int64](ctx, seg, "accounts")
	transfer, err2 := lock.OpenMutex(ctx, seg, "transfer")
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return &ledger{seg, accounts, transfer}, nil
}

func ExampleOpenOrCreate() {
	dir, err := os.MkdirTemp("", "bank")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	for range 2 { // usually in two processes
		l, err := openLedger(ctx, dir)
		if err != nil {
			log.Fatal(err)
		}
		err = l.transfer.Do(ctx, func() error {
			l.accounts.Set(0, l.accounts.At(0)-10)
			l.accounts.Set(1, l.accounts.At(1)+10)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(l.accounts.View())
		if err := l.seg.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// [90 10 0]
	// [80 20 0]
}

// A test that pins the layout notices when somebody changes a struct that
// programs of another version have stored.
func ExampleLayout() {
	type Order struct {
		ID    uint64
		Count uint16
		_     [22]byte // room for what comes later
	}
	layout, err := shm.Layout[Order]()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(layout)

	type Letter struct{ Text string }
	_, err = shm.Layout[Letter]()
	fmt.Println(errors.Is(err, shm.ErrType))
	// Output:
	// struct(32){ID uint64 @0; Count uint16 @8; _ @10+22}
	// true
}

func ExampleSegment_Objects() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	hits, err := value.CreateAtomic[uint64](ctx, seg, "hits", 0)
	if err != nil {
		log.Fatal(err)
	}
	hits.Add(41)
	objects, err := seg.Objects()
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range objects {
		fmt.Println(o.Kind, o.Name, o.Type)
	}
	// Output: atomic hits uint64
}
