package main

func Example() {
	main()
	// Output: b sees a at its own address: true
}
