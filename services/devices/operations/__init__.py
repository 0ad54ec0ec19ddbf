"""What people have single devices do, recorded before and after."""
