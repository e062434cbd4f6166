// Processes starts five child processes, which run at the same time.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/process"
)

var task = process.Func("task", func(_ context.Context, num int) error {
	_, err := fmt.Println("Processing", num)
	return err
})

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	var children []*process.Child
	for i := range 5 { // the number of tasks to run in parallel
		child, err := task.Start(ctx, i)
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	return process.Wait(ctx, children...)
}
