// Processes_named_args_join gives each child process named arguments, one of
// which has a default, and waits for all of them.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/process"
)

type args struct {
	Continent string // default "Asia"
}

var printFunc = process.Func("printFunc", func(_ context.Context, a args) error {
	_, err := fmt.Println("The name of continent is : ", cmp.Or(a.Continent, "Asia"))
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
	for _, name := range []string{"America", "Europe", "Africa"} {
		child, err := printFunc.Start(ctx, args{Continent: name})
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	return process.Wait(ctx, children...)
}
