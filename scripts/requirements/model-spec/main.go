// Validates what is on stdin as the media type given, by the specification's own validator: ModelPack's for a model's
// configuration, the OCI image specification's for manifests, indexes and layouts. Exits 1 with the reason.
package main

import (
	"fmt"
	"io"
	"os"

	model "github.com/modelpack/model-spec/schema"
	image "github.com/opencontainers/image-spec/schema"
)

type validator interface{ Validate(io.Reader) error }

func main() {
	var chosen validator = image.Validator(os.Args[1])
	if os.Args[1] == string(model.ValidatorMediaTypeModelConfig) {
		chosen = model.ValidatorMediaTypeModelConfig
	}
	if err := chosen.Validate(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
