"""What is done on the host. Each room has one shape (service, plan, driver, drivers/) and knows no other."""
