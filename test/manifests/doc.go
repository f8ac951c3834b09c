// Package manifests tests the files for Kubernetes against the types of its API. It is a module of
// its own because those types bring modules that nothing else here needs.
package manifests
