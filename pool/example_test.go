package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/pool"
)

// A worker that is killed costs the task that it was in, and nothing else.
func Example() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = behave.Call(ctx, p, "exit")
	var died *pool.WorkerDiedError
	fmt.Println(errors.As(err, &died) && died.Err.Code == 3)
	fmt.Println(square.Call(ctx, p, 12))
	// Output:
	// true
	// 144 <nil>
}

func ExampleFunction_Map() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	squares, err := square.Map(ctx, p, []int{1, 2, 3, 4, 5})
	fmt.Println(squares, err)
	// Output: [1 4 9 16 25] <nil>
}

func ExampleFunction_Call_timeout() {
	p, err := pool.New(context.Background(), &pool.Options{Workers: 1, Grace: 10 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = behave.Call(ctx, p, "stubborn") // its worker is killed
	fmt.Println(err)
	// Output: context deadline exceeded
}

func ExampleFunction_Stream() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	for x, err := range halve.Stream(ctx, p, count(4)) {
		fmt.Println(x, err)
	}
	// Output:
	// 0 <nil>
	// 0 halving 1: test: odd
	// 1 <nil>
	// 0 halving 3: test: odd
}

func ExampleFunction_Go() {
	ctx := context.Background()
	p, err := pool.New(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	a, b := square.Go(ctx, p, 3), upper.Go(ctx, p, "both at once")
	fmt.Println(a.Get(ctx))
	fmt.Println(b.Get(ctx))
	// Output:
	// 9 <nil>
	// BOTH AT ONCE <nil>
}
