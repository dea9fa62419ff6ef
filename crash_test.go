package main

// asProgram, set, makes a test binary the program itself.
const asProgram = "SHOPPING_CART_TEST_AS_PROGRAM"
