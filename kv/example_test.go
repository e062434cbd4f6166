package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/shm"
)

func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	scores, err := kv.Create[string, int](ctx, seg, "scores", kv.Spec{Cap: 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, winner := range []string{"ada", "grace", "ada"} {
		err := scores.Update(ctx, winner, func(n *int, _ bool) error { *n++; return nil })
		if err != nil {
			log.Fatal(err)
		}
	}
	n, err := scores.Load("ada")
	fmt.Println(n, err)
	_, err = scores.Load("alan")
	fmt.Println(errors.Is(err, kv.ErrNotFound))
	// Output:
	// 2 <nil>
	// true
}

func ExampleMap_All() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	stock, err := kv.Create[string, int](ctx, seg, "stock", kv.Spec{Cap: 3})
	if err != nil {
		log.Fatal(err)
	}
	for i, item := range []string{"cups", "mugs", "hats"} {
		if err := stock.Store(ctx, item, 10*i); err != nil {
			log.Fatal(err)
		}
	}
	// Make room for another one, unless somebody has changed it meanwhile.
	for e, err := range stock.All() {
		if err != nil {
			log.Fatal(err)
		}
		if e.Value == 0 {
			deleted, err := stock.CompareAndDelete(ctx, e.Key, e.Value)
			fmt.Println(e.Key, deleted, err)
		}
	}
	fmt.Println(stock.Len(), "of", stock.Cap())
	// Output:
	// cups true <nil>
	// 2 of 3
}
