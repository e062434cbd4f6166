package semaphore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
)

// A Bounded semaphore limits how many workers, over all processes, do something
// at once. What a worker holds when it is killed is free again.
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	licenses, err := semaphore.Create(ctx, seg, "licenses", semaphore.Spec{Permits: 2})
	if err != nil {
		log.Fatal(err)
	}
	err = licenses.Do(ctx, 1, func() error {
		fmt.Println("in use:", licenses.Held(), "free:", licenses.Available())
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("free:", licenses.Available())
	// Output:
	// in use: 1 free: 1
	// free: 2
}

// A Signal semaphore counts events: whoever sees one adds it, whoever waits for
// one consumes it.
func Example_signal() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	arrived, err := semaphore.Create(ctx, seg, "arrived", semaphore.Spec{Kind: semaphore.Signal})
	if err != nil {
		log.Fatal(err)
	}
	if err := arrived.Release(2); err != nil {
		log.Fatal(err)
	}
	for arrived.TryAcquire(1) == nil {
		fmt.Println("one has arrived")
	}
	// Output:
	// one has arrived
	// one has arrived
}
