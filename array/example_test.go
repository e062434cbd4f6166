package array_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/shm"
)

func anonymous() *shm.Segment {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	return seg
}

func ExampleArray() {
	ctx, seg := context.Background(), anonymous()
	defer seg.Close()
	a, err := array.Create[float64](ctx, seg, "samples", array.Spec{Len: 4})
	if err != nil {
		log.Fatal(err)
	}
	a.CopyIn(0, []float64{1, 2, 3, 4})
	// Several elements that belong together are changed under the array's mutex.
	err = a.Do(ctx, func(view []float64) error {
		for i := range view {
			view[i] *= view[i]
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.View())
	// Output: [1 4 9 16]
}

// Counters by class of HTTP status, over all processes of a server.
func ExampleAtomic() {
	seg := anonymous()
	defer seg.Close()
	requests, err := array.CreateAtomic[uint64](context.Background(), seg, "requests", array.Spec{Len: 6})
	if err != nil {
		log.Fatal(err)
	}
	for _, status := range []int{200, 200, 404, 201, 500} {
		requests.Add(status/100, 1)
	}
	for class, n := range requests.All() {
		if n > 0 {
			fmt.Printf("%dxx %d\n", class, n)
		}
	}
	// Output:
	// 2xx 3
	// 4xx 1
	// 5xx 1
}
