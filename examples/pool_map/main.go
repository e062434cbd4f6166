// Pool_map computes the squares of ten numbers in a pool of four processes.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

var square = pool.Func("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	p, err := pool.New(ctx, &pool.Options{Workers: 4})
	if err != nil {
		return err
	}
	defer p.Close()
	result, err := square.Map(ctx, p, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	if err != nil {
		return err
	}
	fmt.Println("Results:", result)
	return nil
}
